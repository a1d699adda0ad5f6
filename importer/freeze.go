package importer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Freeze keeps what is imported from other clusters as it is, whatever they say and whether they are heard, until it is
// called with false; this cluster's own exports, addresses and namespaces go on to be followed. Called before Open, what
// is kept is what Remember was told. It does not block.
func (i *Importer) Freeze(on bool) {
	i.facts.set(func() { i.facts.frozen = on })
}

// Remembered is the word of a cluster on a service, as it was imported before this process started, and what became of
// its endpoints then.
type Remembered struct {
	Export *federation.Export
	Fate   federation.Fate
}

// Remember reports what was imported before this process started, for a freeze that outlives it. It is called before
// Open, does not block and keeps the list.
func (i *Importer) Remember(list []Remembered) {
	i.facts.set(func() { i.facts.remembered = append(i.facts.remembered, list...) })
}

// ice is what a freeze keeps, by cluster ID; nil while there is none. The loop of the Importer alone uses it.
type ice map[federation.ServiceName][]Remembered

// freeze follows whether there is one, before services are concluded, and returns those to conclude anew. What was
// remembered is let go once the facts are complete: from then on Views say what is imported.
func (i *Importer) freeze(f news) (names []federation.ServiceName) {
	switch {
	case !f.frozen && i.ice != nil:
		names, i.ice = i.allNames(), nil
	case f.frozen && i.ice == nil && f.opening && f.gates.Discovery:
		i.ice = iceOf(f.remembered, i.store.Self())
		names = i.allNames()
	}
	return names
}

// keep makes ice of what was just concluded, if it is to be kept and is not. Without MCSServiceDiscovery nothing is
// imported, and what would be is kept once it is.
func (i *Importer) keep(f news) {
	if f.frozen && i.ice == nil && f.complete && f.gates.Discovery {
		i.ice = i.imported()
	}
}

// Part keeps this cluster's own exports in what is concluded as they were, whatever the Store says of them, until it is
// called with false: a cluster that takes them back from others goes on using them until those know. It is called before
// they are taken back. It does not block.
func (i *Importer) Part(on bool) {
	i.facts.set(func() {
		if i.facts.parting != on {
			i.facts.parting, i.facts.dirtyAll = on, true
		}
	})
}

// part follows whether this cluster takes its exports back.
func (i *Importer) part(f news) {
	switch {
	case !f.parting:
		i.parting = nil
	case i.parting == nil:
		i.parting = map[federation.ServiceName]*federation.Export{}
		for s := range i.View().All() {
			if own := find(s.Exports, i.store.Self()); own != nil {
				i.parting[s.Name] = own
			}
		}
	}
}

// iceOf makes ice of what is remembered of other clusters than self, which knows its own word.
func iceOf(list []Remembered, self federation.ClusterID) ice {
	all := ice{}
	for _, r := range list {
		if r.Export.Cluster != self {
			all[r.Export.Name] = append(all[r.Export.Name], r)
		}
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b Remembered) int { return cmp.Compare(a.Export.Cluster, b.Export.Cluster) })
	}
	return all
}

// imported returns what the View has of other clusters.
func (i *Importer) imported() ice {
	all := ice{}
	for s := range i.View().All() {
		for _, e := range s.Exports {
			if e.Cluster != i.store.Self() {
				all[s.Name] = append(all[s.Name], Remembered{e, i.fates.known(class{e.Cluster, s.Patience})})
			}
		}
	}
	return all
}

// allNames returns every service that is exported, in the View, or kept.
func (i *Importer) allNames() []federation.ServiceName {
	names, _, _ := i.store.NamesSince(0)
	for s := range i.View().All() {
		names = append(names, s.Name)
	}
	return slices.AppendSeq(names, maps.Keys(i.ice))
}

// under returns the exports of a service as the ice has them, with this cluster's own as it is now.
func (c ice) under(name federation.ServiceName, exports []*federation.Export, self federation.ClusterID) []*federation.Export {
	var list []*federation.Export
	for _, k := range c[name] {
		list = append(list, k.Export)
	}
	if own := find(exports, self); own != nil {
		list = with(list, own)
	}
	return list
}

// fates returns what becomes of each of the exports of a service under the ice, nil if all are served.
func (c ice) fates(name federation.ServiceName, exports []*federation.Export) []federation.Fate {
	list := make([]federation.Fate, len(exports))
	for n, e := range exports {
		for _, k := range c[name] {
			if k.Export.Cluster == e.Cluster {
				list[n] = k.Fate
			}
		}
	}
	return settle(exports, list)
}

// fatesNow returns what becomes of each of the exports, nil if all are served: under the ice what became of them, and
// else by who is heard, which is looked at in any case, as the Services are counted by it.
func (i *Importer) fatesNow(exports []*federation.Export, patience federation.Patience, now time.Time) []federation.Fate {
	heard := i.fatesOf(exports, patience, now)
	if i.ice != nil && len(exports) > 0 {
		return i.ice.fates(exports[0].Name, exports)
	}
	return heard
}
