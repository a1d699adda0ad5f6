package sim

import (
	"slices"
	"time"
)

// fault is one way in which things go wrong.
type fault struct {
	name   string
	weight int
	do     func(*world)
}

// faults are all ways. None is drawn that cannot do anything: then what happens instead is nothing.
var faults = []fault{
	{"a partition", 6, (*world).partition},
	{"a partition of one direction", 4, (*world).deaf},
	{"a pair that cannot reach each other", 4, (*world).estrange},
	{"a cluster cut in two", 1, func(w *world) { c := w.anyCluster(); w.cut([]way{{c.i, c.i}}, w.between(time.Second, 15*time.Second)) }},
	{"a stream that breaks", 10, (*world).breakStream},
	{"a half-open stream", 6, (*world).halfOpen},
	{"a second stream", 5, (*world).dialAgain},
	{"a restart", 6, func(w *world) { w.restart(true) }},
	{"a machine that dies", 4, func(w *world) { w.restart(false) }},
	{"a cold start", 3, (*world).coldStart},
	{"a handed-over Lease", 4, (*world).handOver},
	{"an agent that hangs", 4, func(w *world) { w.anyAgent().hang(w.between(time.Second, 16*time.Second)) }},
	{"an API server that is out", 3, (*world).outage},
	{"a backup", 6, func(w *world) { w.anyCluster().takeBackup() }},
	{"a restored backup", 3, func(w *world) { c := w.anyCluster(); c.restore(c.backup) }},
	{"a cluster that leaves", 3, (*world).leave},
	{"a changed export", 60, (*world).change},
	{"a burst of changes", 5, func(w *world) {
		for range 2 + w.r.IntN(20) {
			w.change()
		}
	}},
}

func (w *world) anyCluster() *cluster { return w.clusters[w.r.IntN(len(w.clusters))] }

func (w *world) anyAgent() *agent { return w.agents[w.r.IntN(len(w.agents))] }

// anyEnd returns a side of a stream, nil if there is none.
func (w *world) anyEnd() *end {
	list := w.openConns()
	if len(list) == 0 {
		return nil
	}
	return list[w.r.IntN(len(list))].ends[w.r.IntN(2)]
}

// storm lets one thing after another go wrong until the scene's time for that is over.
func (w *world) storm() {
	if w.now >= w.scene.Storm {
		return
	}
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	n := w.r.IntN(sum)
	for i, f := range faults {
		if n -= f.weight; n < 0 {
			w.stats["fault: "+f.name]++
			w.note(wrong, nil, nil, uint64(i), 0)
			if w.trace.out != nil {
				w.trace.say(w.now, "    %s", f.name)
			}
			f.do(w)
			break
		}
	}
	w.after(w.upTo(2*w.scene.Pace), w.storm)
}

func (w *world) change() {
	if c := w.anyCluster(); !c.out {
		c.say()
	}
}

// partition cuts the clusters into two sides.
func (w *world) partition() {
	side := make([]bool, len(w.clusters))
	for i := range side {
		side[i] = w.chance(50)
	}
	w.cut(w.across(side, true), w.between(500*time.Millisecond, 20*time.Second))
}

// deaf lets one side hear the other, and not the other way round.
func (w *world) deaf() {
	side := make([]bool, len(w.clusters))
	for i := range side {
		side[i] = w.chance(30)
	}
	w.cut(w.across(side, false), w.between(500*time.Millisecond, 20*time.Second))
}

func (w *world) across(side []bool, both bool) (ways []way) {
	for i := range side {
		for j := range side {
			if side[i] != side[j] && (both || side[i]) {
				ways = append(ways, way{i, j})
			}
		}
	}
	return ways
}

func (w *world) estrange() {
	a, b := w.anyCluster().i, w.anyCluster().i
	w.cut([]way{{a, b}, {b, a}}, w.between(500*time.Millisecond, 20*time.Second))
}

// breakStream loses all that is on the way. One side may learn of it only by silence.
func (w *world) breakStream() {
	e := w.anyEnd()
	if e == nil {
		return
	}
	e.conn.broken = true
	e.agent.do(e.shut)
	if w.chance(70) {
		e.peer.agent.do(e.peer.shut)
	}
}

func (w *world) halfOpen() {
	if e := w.anyEnd(); e != nil {
		w.stats["half-open streams"]++
		e.mute = true
	}
}

// dialAgain lets a leader dial though a stream stands, as one does that has not heard of it.
func (w *world) dialAgain() {
	a, to := w.anyAgent(), w.anyCluster()
	if !a.up || !a.leads || to == a.cluster || a.dials[to.i].busy {
		return
	}
	a.dials[to.i].busy = true
	a.later(w.delay(), func() { a.reach(to.i) })
}

// restart ends an agent, loudly or not, and starts it again after a while.
func (w *world) restart(loud bool) {
	a := w.anyAgent()
	if !a.up {
		return
	}
	a.crash(loud)
	if a.cluster.lease == a {
		if loud && w.chance(50) {
			a.cluster.free() // it let go of the Lease
		} else {
			a.cluster.expire()
		}
	}
	a.startIn(w.between(100*time.Millisecond, 14*time.Second))
}

// coldStart lets a cluster begin with an API server that remembers nothing, or with all agents at once.
func (w *world) coldStart() {
	c := w.anyCluster()
	b := backup{c.truth, c.term, c.kept, slices.Clone(c.knows)}
	if w.chance(50) {
		b = backup{truth: c.truth}
	}
	c.restore(b)
}

func (w *world) handOver() {
	c := w.anyCluster()
	if a := c.leader(); a != nil && !c.out {
		a.stepDown()
		c.free()
	}
}

// outage lets an API server be out for a while. A leader freezes when it could not renew for too long.
func (w *world) outage() {
	c := w.anyCluster()
	if c.out {
		return
	}
	c.out = true
	d := w.between(time.Second, 20*time.Second)
	if a := c.leader(); a != nil {
		a.later(renewTime, func() {
			if c.out && c.lease == a {
				a.freeze()
			}
		})
	}
	w.after(d, func() { c.back(d) })
}

// back is when an API server is there again. Whoever finds an expired Lease first takes it.
func (c *cluster) back(after time.Duration) {
	if !c.out {
		return
	}
	c.out = false
	if after > leaseTime && c.w.chance(50) {
		c.lease = nil
		c.hold++
		c.elect()
	}
	for _, a := range c.agents {
		a.do(a.checkLease)
	}
}
