package sim

import (
	"time"

	"github.com/hansa-mcs/hansa/federation/stream"
)

// dialer keeps a stream to one cluster, as the dialers of federation/stream do.
type dialer struct {
	busy bool // one that it dialed goes on, or is about to
	wait time.Duration
	due  bool
}

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 10 * time.Second
	backoffReset = 5 * time.Second
	healthy      = 3 * time.Second
)

// dial opens a stream to a cluster, unless there is one.
func (a *agent) dial(to int) {
	d := &a.dials[to]
	own := to == a.cluster.i
	if d.busy || a.active[to] != nil || own == a.leads {
		return
	}
	if own && (a.cluster.lease == nil || a.cluster.lease == a) {
		return // elect tells when there is one
	}
	d.busy = true
	a.w.note(dials, a, a.w.clusters[to].agents[0], 0, 0)
	a.later(a.w.delay(), func() { a.reach(to) })
}

// reach is when the dialed side answers, or nobody does.
func (a *agent) reach(to int) {
	w, own := a.w, to == a.cluster.i
	target := w.clusters[to].serving(a)
	if target == nil || own == a.leads || !a.mayTry(target) || !w.net.open(a.cluster.i, to) || !w.net.open(to, a.cluster.i) {
		a.dials[to].ended(a, to, 0)
		return
	}
	theirs, ours := stream.Peer, stream.Peer
	if own {
		theirs, ours = stream.Leader, stream.Standby
	}
	w.connect(a, target, theirs, ours)
}

// serving returns an agent that takes a stream as its cluster's leader, nil if there is none. One that hangs has not
// noticed that another leads.
func (c *cluster) serving(but *agent) *agent {
	first := c.w.r.IntN(len(c.agents))
	for i := range c.agents {
		if a := c.agents[(first+i)%len(c.agents)]; a != but && a.up && a.leads {
			return a
		}
	}
	return nil
}

// ended lets the dialer try again, after a while.
func (d *dialer) ended(a *agent, to int, lasted time.Duration) {
	d.busy = false
	if lasted > backoffReset {
		d.wait = 0
	}
	d.wait = min(max(backoffFirst, 2*d.wait), backoffMost)
	if d.due {
		return
	}
	d.due = true
	a.later(a.w.between(d.wait/2, d.wait), func() {
		a.dials[to].due = false
		a.dial(to)
	})
}

// greeted makes a stream the one to its peer, or closes it when a better one stands.
func (a *agent) greeted(e *end) {
	if e.role != stream.Peer {
		return
	}
	to := e.peer.agent.cluster
	if old := a.active[to.i]; old != nil && old != e {
		a.w.stats["streams replaced by a better one"]++
		if a.w.now-old.heard < healthy && better(old, e, a) {
			e.close()
			return
		}
		a.active[to.i] = e
		old.close()
		return
	}
	a.active[to.i] = e
}

// better reports whether a healthy stream stays though there is another.
func better(old, other *end, a *agent) bool {
	if term, otherTerm := old.session.Speaks().Term, other.session.Speaks().Term; term != otherTerm {
		return term > otherTerm
	}
	preferred := min(a.cluster.i, old.peer.agent.cluster.i)
	return old.conn.dialer.cluster.i == preferred && other.conn.dialer.cluster.i != preferred
}
