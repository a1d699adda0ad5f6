package importer

import (
	"iter"
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

	namespaces *shelf[*shelf[*Service]]
	own        *shelf[*shelf[*federation.Export]]
	synced     []federation.ClusterID // sorted
	epoch      uint64                 // of synced

	// from is the View that this one was made from, for as long as anybody has it, and edited are the names of which the
	// two may differ.
	from     weak.Pointer[View]
	edited   edited
	replaced chan struct{}
}

// Empty returns a View without Services, to diff the first one against.
func Empty() *View { return &View{Gates: DefaultGates(), replaced: make(chan struct{})} }

// Service returns the Service of that name, or nil.
func (v *View) Service(name federation.ServiceName) *Service {
	return v.namespaces.of(name.Namespace).of(name.Name)
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
func (v *View) HasNamespace(name string) bool { return v.namespaces.of(name) != nil }

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
		for _, ns := range v.namespaces.all() {
			for _, s := range ns.all() {
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
		for name, ns := range after.namespaces.differing(before.namespaces) {
			for _, s := range ns.differing(before.namespaces.of(name)) {
				if !yield(Change{Name: s.Name, Old: before.Service(s.Name), New: s}) {
					return
				}
			}
		}
		for name, ns := range before.namespaces.differing(after.namespaces) {
			for _, s := range ns.differing(after.namespaces.of(name)) {
				if after.Service(s.Name) == nil && !yield(Change{Name: s.Name, Old: s}) {
					return
				}
			}
		}
	}
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

// edit is a View in the making: it copies only what is written to.
type edit struct {
	edited  edited
	from    *View
	changed map[string]*draft[*Service]           // the namespaces of those that changed
	own     map[string]*draft[*federation.Export] // likewise
	synced  []federation.ClusterID
	gates   Gates
	frozen  bool
}

func newEdit(from *View, synced []federation.ClusterID, gates Gates, frozen bool) *edit {
	return &edit{
		from: from, synced: synced, gates: gates, frozen: frozen,
		changed: map[string]*draft[*Service]{}, own: map[string]*draft[*federation.Export]{},
	}
}

func (d *edit) setOwn(name federation.ServiceName, e *federation.Export) {
	if d.from.Own(name) == e && d.own[name.Namespace] == nil {
		return
	}
	d.edited.own = append(d.edited.own, name)
	write(d.own, d.from.own, name, e)
}

func (d *edit) set(name federation.ServiceName, s *Service) {
	d.edited.services = append(d.edited.services, name)
	write(d.changed, d.from.namespaces, name, s)
}

// write makes a name stand for a value in the draft of its namespace.
func write[V comparable](drafts map[string]*draft[V], from *shelf[*shelf[V]], name federation.ServiceName, v V) {
	ns := drafts[name.Namespace]
	if ns == nil {
		ns = from.of(name.Namespace).edit()
		drafts[name.Namespace] = ns
	}
	ns.set(name.Name, v)
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
		next.namespaces = replaced(d.from.namespaces, d.changed)
	}
	if len(d.own) > 0 {
		next.own = replaced(d.from.own, d.own)
	}
	return next
}

// replaced returns namespaces in which those that are in the making stand for what was. One that holds nothing is gone.
func replaced[V comparable](from *shelf[*shelf[V]], drafts map[string]*draft[V]) *shelf[*shelf[V]] {
	next := from.edit()
	for name, ns := range drafts {
		next.set(name, ns.done())
	}
	return next.done()
}
