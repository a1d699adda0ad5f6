package election

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// sight is the Lease as it was at one moment.
type sight struct {
	lease   *coordinationv1.Lease // nil if there was none
	version string                // the resource version of that moment, "" if it is not known
	asked   time.Time             // when it was asked for; zero for an event of a watch, which may be late
}

// step is what can be done to the Lease.
type step int

const (
	idle   step = iota // nothing, until something is seen
	create             // there is none
	take               // it is free, or its holder is silent
	renew              // it is ours
)

// core is what an agent knows of the Lease and what follows from it. It has no goroutine and no clock, so
// the same calls always lead to the same steps.
type core struct {
	name string // of the Lease
	me   Identity

	duration, renewWithin, retry time.Duration

	known   bool                  // it was seen once
	blind   bool                  // nobody can say whether it is as it was when last seen
	lease   *coordinationv1.Lease // as last seen, never changed; nil if there is none
	version string                // the version of that
	told    time.Time             // when that was learned
	changed time.Time             // when it was first seen to say what it says
	since   time.Time             // when its holder was first seen as such
	sighted time.Time             // when it was seen again after nobody could see it

	former      Identity  // who held it last that is not us, zero if nobody did since we did
	formerWrote time.Time // when that one wrote it last, by its own clock

	held  bool      // it has been ours, and nobody else's, since stint began
	stint uint64    // how often it became ours
	kept  time.Time // when the last write that made or kept it ours was sent
	tried time.Time // when the last write was sent; zero once somebody else has changed the Lease since
}

func newCore(c Config) core {
	return core{name: c.Name, me: c.Identity, duration: c.Duration, renewWithin: c.RenewWithin, retry: c.Retry}
}

// see takes in how the Lease was, unless something newer is known. It reports whether that is another word
// than before.
func (c *core) see(s sight, now time.Time) bool {
	if !c.isNews(s) {
		return false
	}
	before := c.lease
	changed := !c.known || !sameWord(before, s.lease)
	c.known, c.lease, c.told = true, s.lease, now
	if s.version != "" {
		c.version = s.version
	}
	if !c.mine() {
		c.held = false
	}
	c.noteFormer(before)
	if changed {
		c.changed = now
	}
	if changed && !c.mine() {
		c.tried = time.Time{}
	}
	if holder(before) != holder(s.lease) || c.since.IsZero() {
		c.since = now
	}
	return changed
}

// noteFormer remembers who holds the Lease, for the day when it is ours. Who gives it back writes it once more.
func (c *core) noteFormer(before *coordinationv1.Lease) {
	who := holding(c.lease)
	switch {
	case c.lease == nil || c.mine():
		return
	case who != Identity{}:
		c.former = who
	case holding(before).Name == c.me.Name:
		c.former = Identity{}
	}
	if t := c.lease.Spec.RenewTime; t != nil {
		c.formerWrote = t.Time
	}
}

// isNews reports whether s is newer than what is known: by its version, or because it was asked for
// afterwards, as the versions of an etcd that was restored from a backup begin again lower.
func (c *core) isNews(s sight) bool {
	if !c.known || s.asked.After(c.told) {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(s.version, c.version)
	return order > 0 || err != nil && s.asked.IsZero()
}

// sameWord compares what two Leases say, not who labelled them.
func sameWord(a, b *coordinationv1.Lease) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.UID == b.UID && apiequality.Semantic.DeepEqual(a.Spec, b.Spec)
}

// lookAway is told that the Lease cannot be seen.
func (c *core) lookAway() { c.blind = true }

// lookAgain is told that the Lease could be seen, by asking for it.
func (c *core) lookAgain(now time.Time) {
	if c.blind {
		c.blind, c.sighted = false, now
	}
}

// wrote takes in that a write of ours succeeded, which was sent at a time and made the Lease s. If somebody
// else has changed it since, that stands.
func (c *core) wrote(s sight, now time.Time) {
	c.see(s, now)
	if !c.mine() {
		return
	}
	if !c.held {
		c.held = true
		c.stint++
	}
	c.kept = s.asked
}

// mine reports whether the Lease names us. The address may be wrong: renewing corrects it.
func (c *core) mine() bool { return holding(c.lease).Name == c.me.Name }

// until is when a leader freezes unless it renews before.
func (c *core) until() time.Time { return c.kept.Add(c.renewWithin) }

// leads reports whether we may write.
func (c *core) leads(now time.Time) bool { return c.held && now.Before(c.until()) }

// next returns what to do and from when on. What failed is not tried again before Retry has passed, but at
// once if somebody else has changed the Lease meanwhile.
func (c *core) next() (step, time.Time) {
	again := time.Time{}
	if !c.tried.IsZero() {
		again = c.tried.Add(c.retry)
	}
	switch {
	case !c.known:
		return idle, time.Time{}
	case c.mine():
		return renew, again
	case c.blind:
		return idle, time.Time{}
	case c.lease == nil:
		return create, again
	case holder(c.lease) == "":
		return take, again
	}
	silent := c.changed.Add(patience(c.lease, c.duration))
	return take, latest(again, silent, c.sighted.Add(c.courtesy()))
}

// courtesy is how long the holder has to renew once the API server is back, before others conclude that it
// is gone: a request that still hangs, and the next one.
func (c *core) courtesy() time.Duration { return 3 * c.retry }

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// record returns the Lease to write for a step, and remembers that it is tried.
func (c *core) record(s step, now time.Time) *coordinationv1.Lease {
	c.tried = now
	switch s {
	case create:
		return created(c.name, c.me, c.duration, now)
	case take:
		return taken(c.lease, c.me, c.duration, now)
	}
	return renewed(c.lease, c.me, c.duration, now)
}

// standing is what there is to tell of all this.
func (c *core) standing(now time.Time) Standing {
	s := Standing{Leading: c.leads(now), Stint: c.stint, Leader: holding(c.lease)}
	if s.Leader == (Identity{}) {
		return s
	}
	if c.mine() && c.former != (Identity{}) {
		s.Former, s.FormerWrote = c.former, c.formerWrote
	}
	s.Since = c.since
	if t := c.lease.Spec.AcquireTime; t != nil && t.Time.Before(s.Since) {
		s.Since = t.Time
	}
	return s
}
