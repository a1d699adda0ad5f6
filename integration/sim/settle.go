package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Settled is within which time after the last fault every agent holds what all leaders say: ten seconds until a
// silent stream is given up, ten of a Lease, ten between two attempts to dial, and some for what follows on that.
const Settled = 30 * time.Second

// settle ends all that goes wrong, and checks that all agree in time. It returns when they did.
func (w *world) settle() time.Duration {
	w.endFaults()
	began := w.now
	for w.failure == nil {
		w.run(w.now + 250*time.Millisecond)
		why := w.disagreement()
		if why == "" {
			break
		}
		if w.now-began >= Settled && w.failure == nil {
			w.fail("all agree in time", "%s after the last fault: %s", w.now-began, why)
		}
	}
	took := w.now - began
	w.note(settled, nil, nil, 0, 0)
	w.run(w.now + time.Second)
	if why := w.disagreement(); w.failure == nil && why != "" {
		w.fail("who agree go on so", "%s", why)
	}
	return took
}

func (w *world) endFaults() {
	w.calm, w.calmed = true, w.now
	w.note(calmed, nil, nil, 0, 0)
	w.healAll()
	for _, c := range w.clusters {
		c.back(0)
		if w.chance(50) {
			c.comeBack()
		}
		for _, a := range c.agents {
			if a.hangs {
				a.goOn()
			}
			a.startIn(w.upTo(time.Second))
		}
	}
}

// disagreement returns the first thing on which an agent and a leader differ, "" if there is none.
func (w *world) disagreement() string {
	for _, c := range w.clusters {
		a := c.leader()
		if a == nil || !a.speaks {
			return fmt.Sprintf("nobody leads %s", c.id)
		}
		if want := len(c.exported()); len(a.said) != want {
			return fmt.Sprintf("%s says %d of %d exports", a.name, len(a.said), want)
		}
	}
	if why := w.misled(); why != "" {
		return why
	}
	for _, a := range w.agents {
		if why := a.lacks(); why != "" {
			return why
		}
	}
	for _, a := range w.agents {
		if why := a.differs(); why != "" {
			return why
		}
	}
	return ""
}

// lacks compares how much an agent holds of each cluster with what that says.
func (a *agent) lacks() string {
	if !a.up {
		return a.name + " is not up"
	}
	if !a.store.Complete() {
		return a.name + " expects somebody still"
	}
	for _, c := range a.w.clusters {
		leader, head := c.leader(), a.store.Head(c.id)
		want := federation.Head{Version: leader.store.Version(c.id)}
		want.Digest, want.Records = leader.said.digest(a.cluster.id)
		if head != want {
			own := a.cluster.leader()
			return fmt.Sprintf("%s holds %+v of %s, want %+v; its own leader is %s, which holds %+v", a.name, head, c.id, want, own.name, own.store.Head(c.id))
		}
	}
	return ""
}

// differs compares what an agent holds with what all API servers hold, record by record, and with what its own
// API server keeps of it.
func (a *agent) differs() string {
	n := 0
	for _, name := range names(a.view) {
		x := a.view[name]
		n += len(x.exports)
		if !slices.Equal(x.exports, a.store.Exports(name)) {
			return fmt.Sprintf("%s was not told of a change of %s", a.name, name)
		}
		for i, e := range x.exports {
			c := a.w.clusters[a.w.index[e.Cluster]]
			truth := c.truth[name]
			if truth == nil || c.away || !c.maySee(truth, a.cluster.id) || c.leader().said[name].hash != x.hashes[i] || !e.Equal(truth) {
				return fmt.Sprintf("%s holds %+v, want %+v", a.name, *e, truth)
			}
		}
		if k := a.cluster.kept[name]; k == nil || k.resting || len(k.slices) != len(x.exports) {
			return fmt.Sprintf("%s keeps of %s %+v, and %s holds %d exports", a.cluster.id, name, k, a.name, len(x.exports))
		}
	}
	for _, c := range a.w.clusters {
		_, records := c.leader().said.digest(a.cluster.id)
		n -= records
	}
	if n != 0 {
		return fmt.Sprintf("%s holds %d records too many", a.name, n)
	}
	return ""
}
