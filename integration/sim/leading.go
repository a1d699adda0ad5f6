package sim

import (
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// lead is what an agent does that got the Lease: it keeps streams to the others at once, and speaks when its
// informers have synced.
func (a *agent) lead() {
	w, c := a.w, a.cluster
	if a.leads { // it did not notice that it had lost it
		a.leadOn()
		return
	}
	if c.term > 0 {
		w.stats["takeovers"]++
	}
	w.note(leads, a, nil, 0, 0)
	a.closeAll()
	a.leads = true
	c.keepAll(a)
	for _, other := range w.clusters {
		if other != c {
			to := other.i
			a.dials[to] = dialer{}
			a.later(w.upTo(300*time.Millisecond), func() { a.dial(to) })
		}
	}
	hold := c.hold
	a.later(w.between(20*time.Millisecond, 800*time.Millisecond), func() { a.announce(hold) })
}

// announce begins a term in the stint that took the Lease as its hold.
func (a *agent) announce(hold int) {
	c := a.cluster
	if !a.leads || c.lease != a || c.hold != hold || a.speaks {
		return
	}
	if c.out { // the term cannot be written
		a.later(time.Second, func() { a.announce(hold) })
		return
	}
	a.speaks, a.announced = true, hold
	a.begin()
	a.contested()
}

// begin begins a term with all that the cluster exports. Who is outside of the clusterset says nothing and that it left.
func (a *agent) begin() {
	c := a.cluster
	c.term = max(a.store.LeastTerm(), federation.NextTerm(c.term, a.clock()))
	a.said, a.left = c.exported(), false
	exports := make([]*federation.Export, 0, len(a.said))
	for _, name := range names(a.said) {
		exports = append(exports, a.said[name].export)
	}
	a.ears.listen(a.w.now)
	a.store.Announce(c.term, exports)
	a.hears = true
	a.w.stats["announcements"]++
	a.spoke()
	a.heed()
}

// heed makes the agent say that its cluster leaves, or is back, if it has not yet.
func (a *agent) heed() {
	c := a.cluster
	switch {
	case !a.speaks || a.left == c.away:
	case c.away:
		a.w.note(departed, a, nil, 0, 0)
		a.said, a.left = set{}, true
		a.store.Leave()
		a.spoke()
	case c.out: // the term cannot be written
		a.later(time.Second, a.heed)
	default:
		a.begin()
	}
}

// spoke notes what the agent says now, and lets it be told.
func (a *agent) spoke() {
	v := a.store.Version(a.cluster.id)
	o := &a.w.said.owners[a.cluster.i]
	o.note(v, a.said)
	if a.left {
		o.left[v] = true
	}
	a.w.note(announced, a, nil, v.Term, v.Seq)
	a.checkHead(a.cluster)
	a.changed()
}

// follow makes what the agent says of a name what its API server holds.
func (a *agent) follow(name federation.ServiceName) {
	e := a.cluster.truth[name]
	if e == nil {
		a.w.stats["records withdrawn"]++
		a.said = a.said.with(a.cluster, name, nil)
		a.store.Withdraw(name)
	} else {
		if a.said[name].export != nil {
			a.w.stats["records patched"]++
		}
		a.said = a.said.with(a.cluster, name, e)
		a.store.Set(e)
	}
	a.spoke()
}

// freeze is what a leader does that cannot renew: it changes nothing, and keeps its streams.
func (a *agent) freeze() {
	if !a.leads || !a.speaks {
		return
	}
	a.w.note(froze, a, nil, 0, 0)
	a.speaks = false
	a.follows()
}

// follows tells the Store that the agent does not speak for its cluster; up to now it could hear.
func (a *agent) follows() {
	if a.store.Leading() {
		a.ears.listen(a.w.now)
	}
	a.store.Follow()
}

// leadOn is what a leader does that renewed after a while, with nobody else between.
func (a *agent) leadOn() {
	c := a.cluster
	c.renewals++
	c.keepAll(a)
	if a.announced != c.hold {
		a.freeze()
		a.announce(c.hold)
		return
	}
	if !a.speaks {
		a.w.note(resumed, a, nil, 0, 0)
		a.speaks = true
		a.store.Resume()
	}
	a.heed()
	if c.away {
		return
	}
	list := append(names(c.truth), names(a.said)...)
	slices.SortFunc(list, federation.ServiceName.Compare)
	for _, name := range slices.Compact(list) {
		if a.said[name].export != c.truth[name] {
			a.follow(name)
		}
	}
	a.contested()
}

// stepDown ends leading.
func (a *agent) stepDown() {
	if !a.leads {
		return
	}
	a.w.note(follows, a, nil, 0, 0)
	a.leads, a.speaks, a.hears = false, false, false
	a.store.HearThroughLeader()
	a.follows()
	a.closeAll()
}

// standBy keeps a stream to the leader.
func (a *agent) standBy() {
	if c := a.cluster; c.lease != a && !a.leads {
		a.later(0, func() { a.dial(c.i) })
	}
}

func (a *agent) closeAll() {
	for _, e := range slices.Clone(a.ends) {
		e.close()
	}
}

// contested takes another term when a peer holds a greater one of this cluster.
func (a *agent) contested() {
	rival, _ := a.store.Contested()
	if rival.IsZero() || a.renewing {
		return
	}
	a.renewing = true
	a.later(a.w.between(10*time.Millisecond, 500*time.Millisecond), func() {
		a.renewing = false
		c := a.cluster
		if rival, _ := a.store.Contested(); rival.IsZero() || !a.speaks || c.lease != a {
			return
		}
		if c.out {
			a.later(time.Second, a.contested)
			return
		}
		a.w.stats["contested terms"]++
		c.term = max(a.store.LeastTerm(), federation.NextTerm(c.term, a.clock()))
		a.store.Renew(c.term)
		a.w.note(renewed, a, nil, c.term, 0)
		a.spoke()
	})
}
