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
}

// Config is what an Importer is told by a person.
type Config struct {
	// Patience is for services of which their owners say nothing else.
	Patience federation.Patience
	// Admit is which namespaces are imported, and from whom.
	Admit federation.Namespaces
}

// New returns an Importer that has published an empty View. Its methods may be called from any
// goroutine, before and after Start.
func New(store *federation.Store, config Config) *Importer {
	i := &Importer{store: store, facts: newFacts(), ready: make(chan struct{}), told: func(time.Duration) {}, config: config, fates: newFates(store)}
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

// Start runs the loop until ctx ends. In each turn one of five things happens: an export changed, a
// local fact changed, a cluster is heard again, one was silent for long enough to matter, or we are stopping.
// Everything that changed by then goes into one new View.
func (i *Importer) Start(ctx context.Context) error {
	var revision uint64
	opened := false
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	for review := true; ; {
		changed, revived := i.store.Changed(), i.store.Revived()
		if i.turn(&revision, review) && !opened {
			opened = true
			close(i.ready)
		}
		due.Reset(i.fates.wait(time.Now()))
		review = false
		select {
		case <-changed:
		case <-i.facts.wake:
		case <-revived:
			review = true
		case <-due.C:
			review = true
		case <-ctx.Done():
			return nil
		}
	}
}

// turn publishes what follows from all that changed after revision, and moves it on. It reports whether that is
// complete.
func (i *Importer) turn(revision *uint64, review bool) bool {
	before := *revision
	synced := i.store.Synced() // before the names, so that a cluster in it has its Services in the View
	dirty, complete := i.dirty(revision)
	if review {
		i.review(dirty)
	}
	if i.publish(dirty, synced) && *revision != before {
		i.told(time.Since(i.store.ChangedSince(before)))
	}
	return complete
}

// dirty returns the services to conclude anew, and moves revision on.
func (i *Importer) dirty(revision *uint64) (map[federation.ServiceName]bool, bool) {
	dirty := map[federation.ServiceName]bool{}
	add := func(names []federation.ServiceName) {
		for _, n := range names {
			dirty[n] = true
		}
	}
	names, namespaces, all, complete := i.facts.take()
	add(names)
	for _, ns := range namespaces {
		add(i.store.NamesIn(ns))
	}
	names, now, reaches := i.store.NamesSince(*revision)
	add(names)
	if all || !reaches {
		for s := range i.View().All() {
			dirty[s.Name] = true
		}
	}
	*revision = now
	return dirty, complete
}

// review adds the services to dirty of which clusters have another fate by now.
func (i *Importer) review(dirty map[federation.ServiceName]bool) {
	view := i.View()
	for c := range i.fates.review(time.Now()) {
		for _, name := range i.store.NamesOf(c.cluster) {
			if s := view.Service(name); s != nil && s.Patience == c.patience {
				dirty[name] = true
			}
		}
	}
}

// publish concludes the dirty services and replaces the View if any of them, or synced, differs. It reports whether it
// did.
func (i *Importer) publish(dirty map[federation.ServiceName]bool, synced []federation.ClusterID) bool {
	view := i.View()
	d := &edit{from: view, changed: map[string]*namespace{}, synced: synced}
	for name := range dirty {
		old := view.Service(name)
		if s := i.conclude(name, old); s != old {
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
func (i *Importer) conclude(name federation.ServiceName, old *Service) *Service {
	local := i.facts.of(name)
	exports := i.admitted(i.store.Exports(name))
	if !local.here || len(exports) == 0 {
		return nil
	}
	patience := patience(exports, i.config.Patience)
	fates := i.fatesOf(exports, patience)
	if old != nil && old.sameInputs(exports, fates, local) {
		return old
	}
	s := Merge(exports)
	s.Patience, s.Fates = patience, fates
	s.Unsupported = local.lacks(s.IPFamilies)
	if s.Type == federation.ClusterSetIP {
		s.IPs = local.ips
	}
	return s
}

// admitted returns those of the exports of one service that may be imported.
func (i *Importer) admitted(exports []*federation.Export) []*federation.Export {
	may := func(e *federation.Export) bool { return i.config.Admit.Admits(e.Cluster, e.Name.Namespace) }
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
func (i *Importer) fatesOf(exports []*federation.Export, patience federation.Patience) []federation.Fate {
	now := time.Now()
	list := make([]federation.Fate, len(exports))
	for n, e := range exports {
		list[n] = i.fates.fate(class{e.Cluster, patience}, now)
	}
	return settle(exports, list)
}
