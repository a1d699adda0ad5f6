package importer

import (
	"iter"
	"maps"
	"slices"
	"weak"

	"github.com/hansa-mcs/hansa/federation"
)

// View is all Services at one revision. It is immutable; any goroutine may keep and read it.
type View struct {
	// Revision counts the Views of this process.
	Revision uint64
	// Gates are how the switches stood.
	Gates Gates
	// Frozen means that what is imported is kept as it was, see Importer.Freeze.
	Frozen bool

	namespaces map[string]*namespace
	own        map[string]*ownServices
	synced     []federation.ClusterID // sorted
	epoch      uint64                 // of synced

	// from is the View that this one was made from, for as long as anybody has it, and edited are the names of which the
	// two may differ.
	from     weak.Pointer[View]
	edited   edited
	replaced chan struct{}
}

// namespace holds the Services of one namespace; it is shared by all Views in which they are the same.
type namespace struct{ services map[string]*Service }

// Empty returns a View without Services, to diff the first one against.
func Empty() *View { return &View{Gates: DefaultGates(), replaced: make(chan struct{})} }

// Service returns the Service of that name, or nil.
func (v *View) Service(name federation.ServiceName) *Service {
	if ns := v.namespaces[name.Namespace]; ns != nil {
		return ns.services[name.Name]
	}
	return nil
}

// Clusterset returns what the names of the clusterset are served from: the View itself, or without MCSHost one that has no
// Service.
func (v *View) Clusterset() *View {
	if v.Gates.Hosts {
		return v
	}
	return &View{Revision: v.Revision, Gates: v.Gates, synced: v.synced, epoch: v.epoch, replaced: v.replaced}
}

// HasNamespace reports whether any Service is in the namespace.
func (v *View) HasNamespace(name string) bool { return v.namespaces[name] != nil }

// Synced reports whether a complete set of the cluster's exports has come since the start. Until then
// what the View lacks of it may still exist.
func (v *View) Synced(cluster federation.ClusterID) bool {
	_, found := slices.BinarySearch(v.synced, cluster)
	return found
}

// SyncedEpoch changes, and grows, whenever Synced would answer otherwise for some cluster.
func (v *View) SyncedEpoch() uint64 { return v.epoch }

// All yields every Service, in no particular order.
func (v *View) All() iter.Seq[*Service] {
	return func(yield func(*Service) bool) {
		for _, ns := range v.namespaces {
			for _, s := range ns.services {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Replaced returns a channel that closes once a newer View is published.
func (v *View) Replaced() <-chan struct{} { return v.replaced }

// Change is one difference between two Views. Old is nil for a Service that came, New for one that went.
type Change struct {
	Name     federation.ServiceName
	Old, New *Service
}

// Diff yields what differs from the View before to the View after, in no particular order: at the cost of what differs where
// one came right after the other, else at that of the namespaces that differ. Both are of one Importer.
func Diff(before, after *View) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		if after.follows(before) {
			for _, name := range after.edited.services {
				if old, now := before.Service(name), after.Service(name); old != now && !yield(Change{Name: name, Old: old, New: now}) {
					return
				}
			}
			return
		}
		for name, ns := range after.namespaces {
			old := before.namespaces[name]
			if old != ns && !diffNamespace(name, old, ns, yield) {
				return
			}
		}
		for name, ns := range before.namespaces {
			if after.namespaces[name] == nil && !diffNamespace(name, ns, nil, yield) {
				return
			}
		}
	}
}

func diffNamespace(name string, before, after *namespace, yield func(Change) bool) bool {
	var old, now map[string]*Service
	if before != nil {
		old = before.services
	}
	if after != nil {
		now = after.services
	}
	for n, s := range now {
		if o := old[n]; o != s && !yield(Change{Name: s.Name, Old: o, New: s}) {
			return false
		}
	}
	for n, o := range old {
		if now[n] == nil && !yield(Change{Name: federation.ServiceName{Namespace: name, Name: n}, Old: o}) {
			return false
		}
	}
	return true
}

// follows reports whether v was made from before.
func (v *View) follows(before *View) bool { return v.from.Value() == before }

// edited are names of which a View may differ from the one that it was made from.
type edited struct{ services, own []federation.ServiceName }

// once returns names without repetition; it takes them.
func once(names []federation.ServiceName) []federation.ServiceName {
	slices.SortFunc(names, federation.ServiceName.Compare)
	return slices.Compact(names)
}

// edit is a View in the making: it copies only the namespaces that are written to.
type edit struct {
	edited  edited
	from    *View
	changed map[string]*namespace
	own     map[string]*ownServices // those that changed
	synced  []federation.ClusterID
	gates   Gates
	frozen  bool
}

func newEdit(from *View, synced []federation.ClusterID, gates Gates, frozen bool) *edit {
	return &edit{from: from, changed: map[string]*namespace{}, own: map[string]*ownServices{}, synced: synced, gates: gates, frozen: frozen}
}

func (d *edit) setOwn(name federation.ServiceName, e *federation.Export) {
	if d.from.Own(name) == e && d.own[name.Namespace] == nil {
		return
	}
	d.edited.own = append(d.edited.own, name)
	ns := d.own[name.Namespace]
	if ns == nil {
		ns = &ownServices{exports: map[string]*federation.Export{}}
		if old := d.from.own[name.Namespace]; old != nil {
			ns.exports = maps.Clone(old.exports)
		}
		d.own[name.Namespace] = ns
	}
	if e != nil {
		ns.exports[name.Name] = e
	} else {
		delete(ns.exports, name.Name)
	}
}

func (d *edit) set(name federation.ServiceName, s *Service) {
	d.edited.services = append(d.edited.services, name)
	ns := d.changed[name.Namespace]
	if ns == nil {
		ns = &namespace{services: map[string]*Service{}}
		if old := d.from.namespaces[name.Namespace]; old != nil {
			ns.services = maps.Clone(old.services)
		}
		d.changed[name.Namespace] = ns
	}
	if s != nil {
		ns.services[name.Name] = s
	} else {
		delete(ns.services, name.Name)
	}
}

// view returns the View with what was set, the old one if nothing was.
func (d *edit) view() *View {
	if len(d.changed)+len(d.own) == 0 && slices.Equal(d.synced, d.from.synced) && d.gates == d.from.Gates && d.frozen == d.from.Frozen {
		return d.from
	}
	next := &View{
		Revision:   d.from.Revision + 1,
		Gates:      d.gates,
		Frozen:     d.frozen,
		namespaces: d.from.namespaces,
		own:        d.from.own,
		synced:     d.synced,
		epoch:      d.from.epoch,
		replaced:   make(chan struct{}),
		from:       weak.Make(d.from),
		edited:     edited{once(d.edited.services), once(d.edited.own)},
	}
	if !slices.Equal(d.synced, d.from.synced) {
		next.epoch++
	}
	if len(d.changed) > 0 {
		next.namespaces = replaced(d.from.namespaces, d.changed, func(ns *namespace) bool { return len(ns.services) > 0 })
	}
	if len(d.own) > 0 {
		next.own = replaced(d.from.own, d.own, func(ns *ownServices) bool { return len(ns.exports) > 0 })
	}
	return next
}

// replaced returns a copy of a map in which what changed stands for what was, and what is not kept is gone.
func replaced[T any](from, changed map[string]T, keep func(T) bool) map[string]T {
	next := maps.Clone(from)
	if next == nil {
		next = map[string]T{}
	}
	for name, ns := range changed {
		if keep(ns) {
			next[name] = ns
		} else {
			delete(next, name)
		}
	}
	return next
}
