package importer

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Importer publishes a View after every change of the Store or of the local facts.
type Importer struct {
	store *federation.Store
	facts *facts
	view  atomic.Pointer[View]
	ready chan struct{}
	told  func(age time.Duration) // is told of Views

	config Config
	fates  *fates
	holds  *holds
	drains *drains
	gates  Gates // as last taken from the facts
	frozen bool  // as last taken from the facts
	ice    ice
	// parting are this cluster's own exports while it takes them back from others; nil while it does not.
	parting map[federation.ServiceName]*federation.Export
}

// Config is what an Importer is told by a person.
type Config struct {
	// Patience is for services of which their owners say nothing else.
	Patience federation.Patience
	// Admit is which namespaces are imported from other clusters; what our own exports always is (I1).
	Admit federation.Namespaces
	// Holding is told of the clusters whose mass withdrawals are not believed yet, whenever they are others. It must not
	// block; nil for nobody.
	Holding func([]Held)
	// Fated is told of the clusters whose endpoints are demoted or withdrawn, whenever one of them has another fate
	// than before, after the View that says so is published. It must not block; nil for nobody.
	Fated func([]Fated)
}

// New returns an Importer that has published an empty View. Its methods may be called from any
// goroutine, before and after Start.
func New(store *federation.Store, config Config) *Importer {
	i := &Importer{store: store, facts: newFacts(), ready: make(chan struct{}), told: func(time.Duration) {}, config: config, fates: newFates(store), holds: newHolds(), drains: &drains{due: map[federation.ClusterID]time.Time{}}, gates: DefaultGates()}
	i.view.Store(Empty())
	return i
}

// View returns the newest View, never nil.
func (i *Importer) View() *View { return i.view.Load() }

// Ready returns a channel that closes when the first View that clients may see is published: before
// that an answer would delete by absence.
func (i *Importer) Ready() <-chan struct{} { return i.ready }

// Measure lets told know, as each View with changes of the Store is published, how old the oldest of them is. It must
// be called before Start; told must not block.
func (i *Importer) Measure(told func(age time.Duration)) { i.told = told }

// pulse is how often the loop looks at the time: it has to know whether this process was stopped.
const pulse = time.Second

// Start runs the loop until ctx ends. In each turn one of five things happens: an export changed, a
// local fact changed, a cluster is heard again, one was silent for long enough to matter, or we are stopping.
// Everything that changed by then goes into one new View.
func (i *Importer) Start(ctx context.Context) error {
	var revision uint64
	opened := false
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for review := true; ; {
		changed, revived := i.store.Changed(), i.store.Revived()
		if i.turn(&revision, review, time.Now()) && !opened {
			opened = true
			close(i.ready)
		}
		var going bool
		if review, going = i.await(ctx, changed, revived, beat.C); !going {
			return nil
		}
	}
}

// await returns when there is something to do, and whether that is by the time or by who is heard. It reports that the
// loop does not go on once ctx ends.
func (i *Importer) await(ctx context.Context, changed, revived <-chan struct{}, beat <-chan time.Time) (review, going bool) {
	for {
		select {
		case <-changed:
			return false, true
		case <-i.facts.wake:
			return false, true
		case <-revived:
			return true, true
		case <-beat:
			now := time.Now()
			i.store.Awake(now)
			if i.fates.isDue(now) || i.holds.due(now) || i.drains.isDue(now) {
				return true, true
			}
		case <-ctx.Done():
			return false, false
		}
	}
}

// dirty are services to conclude anew, with all exports of them.
type dirty map[federation.ServiceName][]*federation.Export

func (d dirty) add(names []federation.ServiceName) {
	for _, n := range names {
		d[n] = nil
	}
}

// turn publishes what follows from all that changed after revision, and moves it on. It reports whether that is
// complete.
func (i *Importer) turn(revision *uint64, review bool, now time.Time) bool {
	before := *revision
	synced := i.store.Synced() // before the names, so that a cluster in it has its Services in the View
	facts := i.facts.take()
	i.gates, i.frozen = facts.gates, facts.frozen && facts.complete
	i.drains.overrides = facts.drains
	i.part(facts)
	list := i.changed(revision, facts)
	if review {
		i.review(list, now)
	}
	i.store.Take(list)
	more := i.weigh(list, now)
	i.store.Take(more)
	for name, exports := range more {
		if _, known := list[name]; !known { // what holds has seen is concluded as it was seen
			list[name] = exports
		}
	}
	if i.publish(list, facts.own, synced, now) && *revision != before {
		i.told(time.Since(i.store.ChangedSince(before)))
	}
	i.keep(facts)
	i.tellFated()
	return facts.complete
}

// changed returns the services that changed, or whose facts did, and moves revision on.
func (i *Importer) changed(revision *uint64, facts news) dirty {
	list := dirty{}
	list.add(facts.names)
	for _, ns := range facts.namespaces {
		list.add(i.namesIn(ns))
	}
	names, now, reaches := i.store.NamesSince(*revision)
	list.add(names)
	if facts.all || !reaches {
		list.add(i.allNames())
	}
	list.add(i.freeze(facts))
	*revision = now
	return list
}

// namesIn returns the services of a namespace that are exported, in the View, or kept.
func (i *Importer) namesIn(namespace string) []federation.ServiceName {
	names := i.store.NamesIn(namespace)
	for _, s := range i.View().namespaces.of(namespace).all() {
		names = append(names, s.Name)
	}
	for name := range i.ice {
		if name.Namespace == namespace {
			names = append(names, name)
		}
	}
	return names
}

// review adds the services of which clusters have another fate by now, or lose more of their traffic, those that are only held
// included.
func (i *Importer) review(list dirty, now time.Time) {
	view, changed := i.View(), i.fates.review(now)
	clusters := map[federation.ClusterID]bool{}
	for c := range changed {
		clusters[c.cluster] = true
	}
	for _, cluster := range i.drains.step(now) {
		list.add(i.store.NamesOf(cluster))
		list.add(i.holds.names(cluster))
	}
	for cluster := range clusters {
		for _, name := range slices.Concat(i.store.NamesOf(cluster), i.holds.names(cluster)) {
			if s := view.Service(name); s != nil && changed[class{cluster, s.Patience}] {
				list[name] = nil
			}
		}
	}
}

// weigh returns the services that are held back, or no more, because a cluster lost very much at once.
func (i *Importer) weigh(list dirty, now time.Time) dirty {
	view, more := i.View(), dirty{}
	touched := map[federation.ClusterID]bool{}
	for name, exports := range list {
		for _, e := range exports {
			touched[e.Cluster] = true
		}
		for _, cluster := range i.holds.note(view.Service(name), exports, i.store.Self(), now) {
			touched[cluster] = true
		}
	}
	before := i.holds.list()
	for _, h := range before {
		touched[h.Cluster] = true
	}
	delete(touched, i.store.Self())
	for cluster := range touched {
		more.add(i.holds.weigh(cluster, i.store.Capacity(cluster), now))
	}
	if after := i.holds.list(); i.config.Holding != nil && !slices.EqualFunc(before, after, sameHold) {
		i.config.Holding(after)
	}
	return more
}

// publish concludes the services anew and replaces the View if any of them, or synced, differs. It reports whether it
// did.
func (i *Importer) publish(list dirty, own map[federation.ServiceName]*federation.Export, synced []federation.ClusterID, now time.Time) bool {
	view := i.View()
	d := newEdit(view, synced, i.gates, i.frozen)
	for name, e := range own {
		d.setOwn(name, e)
	}
	for name, exports := range list {
		old := view.Service(name)
		if s := i.conclude(name, old, exports, now); s != old {
			i.fates.hold(s)
			i.fates.release(old)
			d.set(name, s)
		}
	}
	next := d.view()
	if next == view {
		return false
	}
	i.view.Store(next)
	close(view.replaced)
	return true
}

// conclude returns what is now to be said of a service: nil for none, old itself if nothing changed.
func (i *Importer) conclude(name federation.ServiceName, old *Service, exports []*federation.Export, now time.Time) *Service {
	local := i.facts.of(name)
	if own := i.parting[name]; own != nil {
		exports = with(exports, own)
	}
	if i.ice != nil {
		exports = i.ice.under(name, exports, i.store.Self())
	} else {
		exports = i.holds.serve(name, exports)
	}
	exports = i.admitted(exports)
	if !i.gates.Discovery || !local.here || len(exports) == 0 {
		return nil
	}
	patience := patience(exports, i.config.Patience)
	fates := i.fatesNow(exports, patience, now)
	lost := i.drains.lost(exports, now)
	if old != nil && old.sameInputs(exports, fates, lost, local) {
		return old
	}
	s := Merge(exports)
	s.Patience, s.Fates, s.Drained = patience, fates, lost
	s.Unsupported = local.lacks(s.IPFamilies)
	if s.Type == federation.ClusterSetIP {
		s.IPs = local.ips
	}
	return s
}

// admitted returns those of the exports of one service that may be imported.
func (i *Importer) admitted(exports []*federation.Export) []*federation.Export {
	may := func(e *federation.Export) bool {
		return e.Cluster == i.store.Self() || i.config.Admit.Admits(e.Cluster, e.Name.Namespace)
	}
	if !slices.ContainsFunc(exports, func(e *federation.Export) bool { return !may(e) }) {
		return exports
	}
	var list []*federation.Export
	for _, e := range exports {
		if may(e) {
			list = append(list, e)
		}
	}
	return list
}

// patience returns how long clusters may be silent for one service. As with everything that exports may disagree on,
// the oldest decides.
func patience(exports []*federation.Export, usual federation.Patience) federation.Patience {
	return usual.With(slices.MinFunc(exports, (*federation.Export).CompareAge).Quiet)
}

// fatesOf returns what becomes of each of the exports, nil if all are served.
func (i *Importer) fatesOf(exports []*federation.Export, patience federation.Patience, now time.Time) []federation.Fate {
	list := make([]federation.Fate, len(exports))
	for n, e := range exports {
		list[n] = i.fates.fate(class{e.Cluster, patience}, now)
	}
	return settle(exports, list)
}
