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
	families   []federation.IPFamily // none while not known
	gates      Gates
	own        map[federation.ServiceName]*federation.Export // that changed
	frozen     bool
	parting    bool
	drains     map[federation.ClusterID]federation.Drain
	remembered []Remembered // until opened
	opened     bool         // take has said that the facts are complete
	dirtyNames map[federation.ServiceName]bool
	dirtyNS    map[string]bool
	dirtyAll   bool
	complete   bool
	wake       chan struct{} // holds one token while anything is dirty
}

func newFacts() *facts {
	return &facts{
		namespaces: map[string]bool{},
		ips:        map[federation.ServiceName][]netip.Addr{},
		gates:      DefaultGates(),
		own:        map[federation.ServiceName]*federation.Export{},
		dirtyNames: map[federation.ServiceName]bool{},
		dirtyNS:    map[string]bool{},
		wake:       make(chan struct{}, 1),
	}
}

func (f *facts) set(change func()) {
	f.note(change)
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// note makes a change that the loop takes with the next one that wakes it.
func (f *facts) note(change func()) (complete bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
	return f.complete
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

// Here reports whether a namespace exists in this cluster, as SetNamespace was told.
func (i *Importer) Here(namespace string) bool {
	i.facts.mu.Lock()
	defer i.facts.mu.Unlock()
	return i.facts.namespaces[namespace]
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

// SetFamilies reports the IP families of which this cluster's API server allocates addresses; until it is
// called every family counts as had. It does not block and keeps families.
func (i *Importer) SetFamilies(families []federation.IPFamily) {
	i.facts.set(func() {
		if !slices.Equal(i.facts.families, families) {
			i.facts.families, i.facts.dirtyAll = families, true
		}
	})
}

// Open says that the facts so far, and what the Store remembers, are complete: the next View may be
// shown to clients. Ready closes once it is published. It does not block; only its first call counts.
func (i *Importer) Open() {
	i.facts.set(func() { i.facts.complete = true })
}

// news is what became of the facts since the last time.
type news struct {
	names      []federation.ServiceName
	namespaces []string
	all        bool // every service is to be concluded anew
	own        map[federation.ServiceName]*federation.Export

	gates      Gates
	frozen     bool
	parting    bool
	drains     map[federation.ClusterID]federation.Drain
	complete   bool
	opening    bool         // they are complete for the first time
	remembered []Remembered // while opening
}

// take returns what became of the facts since the last call.
func (f *facts) take() news {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := news{
		names: slices.Collect(maps.Keys(f.dirtyNames)), namespaces: slices.Collect(maps.Keys(f.dirtyNS)), all: f.dirtyAll,
		gates: f.gates, frozen: f.frozen, parting: f.parting, drains: f.drains, complete: f.complete, opening: f.complete && !f.opened,
	}
	if n.opening {
		n.remembered, f.remembered, f.opened = f.remembered, nil, true
	}
	if len(f.own) > 0 { // from now on it is the caller's
		n.own, f.own = f.own, map[federation.ServiceName]*federation.Export{}
	}
	clear(f.dirtyNames)
	clear(f.dirtyNS)
	f.dirtyAll = false
	return n
}

// local is the facts that bear on one service.
type local struct {
	here     bool // its namespace exists
	ips      []netip.Addr
	families []federation.IPFamily
}

// of returns the facts of one service.
func (f *facts) of(name federation.ServiceName) local {
	f.mu.Lock()
	defer f.mu.Unlock()
	return local{here: f.namespaces[name.Namespace], ips: f.ips[name], families: f.families}
}

// lacks reports whether the cluster is known to have none of the families.
func (l local) lacks(families []federation.IPFamily) bool {
	return len(families) > 0 && len(l.families) > 0 &&
		!slices.ContainsFunc(families, func(f federation.IPFamily) bool { return slices.Contains(l.families, f) })
}
