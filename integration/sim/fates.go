package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// late is how long after its time an agent may find out that a cluster has another fate: it looks each second.
	late = 2 * time.Second

	// flapping is how often a cluster changes between heard and silent until it is damped; a play is shorter than the
	// five minutes within which that counts, but for those in which a cluster is gone for long.
	flapping = 3

	// steady is for how long one that is damped must be heard.
	steady = time.Minute

	// Served is how long after the last fault every cluster is served, however often it fell silent before: what it takes
	// until all hear each other, a minute of that, and some for seeing it.
	Served = Settled + steady + 5*time.Second
)

// class is what shares a fate at one agent, as in package importer: the exports of one cluster, of services for which
// there is the same patience.
type class struct {
	cluster  int
	patience federation.Patience
}

func (c class) compare(o class) int {
	return cmp.Or(cmp.Compare(c.cluster, o.cluster), cmp.Compare(c.patience.Demote, o.patience.Demote), cmp.Compare(c.patience.Withdraw, o.patience.Withdraw))
}

// fates are what an agent lets become of the clusters that it does not hear. Like the importer it judges when the time
// comes that federation.Overdue named, and when a cluster is heard again.
type fates struct {
	services map[class]int // that are of the class
	of       map[class]federation.Fate
	order    []class // of services; nil when that changed
	due      time.Time
	revived  <-chan struct{}
}

func newFates() fates { return fates{services: map[class]int{}, of: map[class]federation.Fate{}} }

// regroup counts the services of each class.
func (a *agent) regroup(s seen, n int) {
	for _, e := range s.exports {
		c := class{a.w.index[e.Cluster], s.patience}
		if c.cluster == a.cluster.i {
			continue // which is always heard
		}
		if a.fates.services[c] += n; a.fates.services[c] == 0 {
			delete(a.fates.services, c)
			delete(a.fates.of, c)
		}
		a.fates.order = nil
	}
}

// awake is what the importer does each second.
func (a *agent) awake() {
	if a.hears {
		a.ears.listen(a.w.now)
	}
	now := a.clock()
	a.store.Awake(now)
	if f := &a.fates; !f.due.IsZero() && !a.store.HearingUntil(now).Before(f.due) {
		a.judge(true)
	}
	a.revive()
	a.judge(false)
	for _, c := range a.fates.order {
		a.checkLate(c, a.fates.of[c])
	}
}

// revive judges anew, a moment after a cluster is heard again.
func (a *agent) revive() {
	f := &a.fates
	select {
	case <-f.revived:
		f.revived = nil // until all are judged
		a.later(a.w.upTo(100*time.Millisecond), func() { a.judge(true) })
	default:
	}
}

// judge brings the fates up to date: all, or those of classes that are new.
func (a *agent) judge(all bool) {
	f := &a.fates
	if f.order == nil {
		f.order = slices.SortedFunc(maps.Keys(f.services), class.compare)
	}
	if all {
		f.due = time.Time{}
	}
	if f.revived == nil || all {
		f.revived = a.store.Revived()
	}
	now := a.clock()
	for _, c := range f.order {
		before, known := f.of[c]
		if known && !all {
			continue
		}
		fate, until := federation.Overdue(a.store.Pulse(a.w.clusters[c.cluster].id), a.store.HearingUntil(now), c.patience)
		if !until.IsZero() && (f.due.IsZero() || until.Before(f.due)) {
			f.due = until
		}
		f.of[c] = fate
		a.checkEarly(c, fate)
		if fate != before {
			if _, silent := a.ears.silence(c.cluster, a.w.now); fate == federation.Demoted && silent < max(c.patience.Demote, federation.Silence) {
				a.w.stats["fates that became demoted, as the cluster changed too often"]++
			}
			a.w.stats["fates that became "+fate.String()]++
			a.w.note(judged, a, a.w.clusters[c.cluster].agents[0], uint64(fate), uint64(before))
		}
	}
}

// checkEarly checks a fate when it is judged: nobody is blamed too early.
func (a *agent) checkEarly(c class, fate federation.Fate) {
	x := &a.ears.of[c.cluster]
	if fate == federation.Served || !x.ever && !x.expected {
		return // of whom it is not known from when on it could be heard
	}
	_, silent := a.ears.silence(c.cluster, a.w.now)
	turns := 2 * x.revivals
	if silent >= federation.Silence {
		turns++
	}
	switch {
	case fate == federation.Withdrawn && (c.patience.Withdraw == 0 || silent < max(c.patience.Withdraw, federation.Silence)):
		a.blame("nobody is withdrawn before it was silent for long enough", c, fate)
	case fate == federation.Demoted && silent < max(c.patience.Demote, federation.Silence):
		if turns < flapping {
			a.blame("nobody is demoted before it was silent for long enough", c, fate)
		}
	}
}

// checkLate checks what an agent lets become of a class: who is silent is noticed, and so is who is heard.
func (a *agent) checkLate(c class, fate federation.Fate) {
	x, o := &a.ears.of[c.cluster], a.w.clusters[c.cluster]
	silent, _ := a.ears.silence(c.cluster, a.w.now)
	switch {
	case !x.ever && !x.expected:
	case fate != federation.Withdrawn && c.patience.Withdraw > 0 && silent >= max(c.patience.Withdraw, federation.Silence)+late:
		a.blame("who is silent for long enough is withdrawn", c, fate)
	case fate == federation.Served && silent >= max(c.patience.Demote, federation.Silence)+late:
		a.blame("who is silent for long enough is demoted", c, fate)
	case fate != federation.Served && x.ever && silent < federation.Silence-late && a.ears.steady(c.cluster, a.w.now) >= steady+late:
		a.blame("who is heard for a minute is served", c, fate)
	case a.w.said.owners[o.i].gone(a.store.Version(o.id)):
		a.blame("who left has no fate", c, fate)
	}
}

func (a *agent) blame(invariant string, c class, fate federation.Fate) {
	id := a.w.clusters[c.cluster].id
	own, most := a.ears.silence(c.cluster, a.w.now)
	a.w.fail(invariant, "%s lets %s be %s by %+v; it was silent for %s, and by its own leader for %s: %+v, deaf %v; the Store: %+v",
		a.name, id, fate, c.patience, own, most, a.ears.of[c.cluster], a.ears.deaf, a.store.Pulse(id))
}

// vanish lets a cluster be gone for long, in the seeds that do so: its processes end, and those of others go on.
func (w *world) vanish() {
	if w.scene.Gone == 0 || w.failure != nil {
		return
	}
	c := w.anyCluster()
	w.note(vanished, c.agents[0], nil, 0, 0)
	w.stats["clusters gone for long"]++
	c.gone = true
	for _, a := range c.agents {
		a.crash(w.chance(50))
	}
	c.expire()
	w.run(w.now + w.scene.Gone)
	c.gone = false
}

// steady checks that every cluster is served once it was heard for long enough.
func (w *world) steady() {
	if !w.scene.Steady || w.failure != nil {
		return
	}
	w.run(w.calmed + Served)
	for _, a := range w.agents {
		for _, c := range a.fates.order {
			if fate := a.fates.of[c]; fate != federation.Served && w.failure == nil {
				w.fail("after the last fault all are served in time", "%s lets %s be %s", a.name, w.clusters[c.cluster].id, fate)
			}
		}
	}
}
