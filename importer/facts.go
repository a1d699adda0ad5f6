package importer

import (
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
)

// facts are what this cluster knows beside the exports. Doors set them from any goroutine; the loop
// reads them.
type facts struct {
	mu         sync.Mutex
	namespaces map[string]bool
	ips        map[federation.ServiceName][]netip.Addr
	dirtyNames map[federation.ServiceName]bool
	dirtyNS    map[string]bool
	complete   bool
	wake       chan struct{} // holds one token while anything is dirty
}

func newFacts() *facts {
	return &facts{
		namespaces: map[string]bool{},
		ips:        map[federation.ServiceName][]netip.Addr{},
		dirtyNames: map[federation.ServiceName]bool{},
		dirtyNS:    map[string]bool{},
		wake:       make(chan struct{}, 1),
	}
}

func (f *facts) set(change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// SetNamespace reports whether a namespace exists in this cluster; a service is imported only where its
// namespace exists (I1). It does not block.
func (i *Importer) SetNamespace(name string, exists bool) {
	i.facts.set(func() {
		if i.facts.namespaces[name] == exists {
			return
		}
		i.facts.dirtyNS[name] = true
		if exists {
			i.facts.namespaces[name] = true
		} else {
			delete(i.facts.namespaces, name)
		}
	})
}

// SetIPs reports the clusterset IPs that this cluster's API server allocated for a service; none when
// they are given back. It does not block and keeps ips.
func (i *Importer) SetIPs(name federation.ServiceName, ips []netip.Addr) {
	i.facts.set(func() {
		if slices.Equal(i.facts.ips[name], ips) {
			return
		}
		i.facts.dirtyNames[name] = true
		if len(ips) > 0 {
			i.facts.ips[name] = ips
		} else {
			delete(i.facts.ips, name)
		}
	})
}

// Open says that the facts so far, and what the Store remembers, are complete: the next View may be
// shown to clients. Ready closes once it is published. It does not block; only its first call counts.
func (i *Importer) Open() {
	i.facts.set(func() { i.facts.complete = true })
}

// take returns what became dirty since the last call.
func (f *facts) take() (names []federation.ServiceName, namespaces []string, complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names, namespaces = slices.Collect(maps.Keys(f.dirtyNames)), slices.Collect(maps.Keys(f.dirtyNS))
	clear(f.dirtyNames)
	clear(f.dirtyNS)
	return names, namespaces, f.complete
}

// of returns the facts that bear on one service.
func (f *facts) of(name federation.ServiceName) (ips []netip.Addr, here bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ips[name], f.namespaces[name.Namespace]
}
