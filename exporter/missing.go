package exporter

import (
	"maps"
	"slices"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
)

// missing are the services that are exported though their ServiceExport went with the CRD: what was said of them
// stays.
type missing struct {
	mu   sync.Mutex
	held map[federation.ServiceName]bool
	seen map[federation.ServiceName]bool // whose ServiceExport this agent has met since it started
}

func newMissing() *missing {
	return &missing{held: map[federation.ServiceName]bool{}, seen: map[federation.ServiceName]bool{}}
}

// forget ends what is noted of a service.
func (m *missing) forget(name federation.ServiceName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.held, name)
	delete(m.seen, name)
}

// meet notes that a service has a ServiceExport.
func (m *missing) meet(name federation.ServiceName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.held, name)
	m.seen[name] = true
}

func (m *missing) met(name federation.ServiceName) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.seen[name]
}

// hold keeps a service until it is taken. It reports whether it is the only one.
func (m *missing) hold(name federation.ServiceName) (first bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[name] = true
	return len(m.held) == 1
}

// take returns the services that are held, and holds them no longer.
func (m *missing) take() []federation.ServiceName {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := slices.Collect(maps.Keys(m.held))
	clear(m.held)
	return names
}
