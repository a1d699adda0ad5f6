package importer

import (
	"iter"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// SetOwn reports what a Service of this cluster is, exported or not; nil when there is none of that name. It is for the
// names of cluster.local, goes into Views, and never from here to another cluster. It does not block and keeps e, whose
// Cluster is this one. Before Open it makes no View of its own, as nobody reads one of thousands.
func (i *Importer) SetOwn(name federation.ServiceName, e *federation.Export) {
	if i.facts.note(func() { i.facts.own[name] = e }) {
		i.facts.set(func() {})
	}
}

// Own returns what this cluster's own Service of that name is, exported or not; nil for none.
func (v *View) Own(name federation.ServiceName) *federation.Export {
	return v.own.of(name.Namespace).of(name.Name)
}

// DiffOwn yields the names of which Own differs between two Views, in no particular order, at the cost that Diff has.
func DiffOwn(before, after *View) iter.Seq[federation.ServiceName] {
	return func(yield func(federation.ServiceName) bool) {
		if after.follows(before) {
			for _, name := range after.edited.own {
				if before.Own(name) != after.Own(name) && !yield(name) {
					return
				}
			}
			return
		}
		for ns, now := range after.own.differing(before.own) {
			for name := range now.differing(before.own.of(ns)) {
				if !yield(federation.ServiceName{Namespace: ns, Name: name}) {
					return
				}
			}
		}
		for ns, was := range before.own.differing(after.own) {
			for name := range was.differing(after.own.of(ns)) {
				if after.own.of(ns).of(name) == nil && !yield(federation.ServiceName{Namespace: ns, Name: name}) {
					return
				}
			}
		}
	}
}

// ClusterLocal returns what a name of cluster.local stands for: this cluster's own Service alone; with others, as
// MCSClusterLocal off has it, with the endpoints beside its own that other clusters export of that name, for those of its
// ports that they serve too. Where this cluster has none of that name, others make it what the clusterset's name is. It
// returns nil where there is nothing, and is a function of the View.
func (v *View) ClusterLocal(name federation.ServiceName, others bool) *Service {
	own := v.Own(name)
	imported := v.Service(name)
	switch {
	case others && own == nil:
		return imported
	case own == nil:
		return nil
	}
	s := Merge([]*federation.Export{own})
	if !others || imported == nil {
		return s
	}
	fates, lost := []federation.Fate{federation.Served}, []uint8{0}
	for n, e := range imported.Exports {
		if e.Cluster == own.Cluster {
			lost[0] = imported.Lost(n)
			continue
		}
		s.Exports, fates, lost = append(s.Exports, e), append(fates, imported.Fate(n)), append(lost, imported.Lost(n))
	}
	if imported.Drained != nil {
		s.Drained = lost
	}
	if slices.ContainsFunc(fates, func(f federation.Fate) bool { return f != federation.Served }) {
		s.Fates = fates
	}
	return s
}
