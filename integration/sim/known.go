package sim

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// expect tells a Store of the clusters that are remembered, and which cluster is which.
func (a *agent) expect() {
	a.meet(a.cluster)
	for i, known := range a.cluster.knows {
		if o := a.w.clusters[i]; known {
			a.store.Expect(o.id)
			a.meet(o)
			a.ears.of[i].expected, a.ears.of[i].known = true, a.w.now
		}
	}
}

func (a *agent) meet(c *cluster) {
	if err := a.store.Meet(c.id, c.uid); err != nil {
		a.w.fail("a cluster is told from its namesake", "%s: %v", a.name, err)
	}
}

// leave lets a cluster leave the clusterset, and come back after a while.
func (w *world) leave() {
	c := w.anyCluster()
	if c.away || c.namesake != nil { // whoever has left gives its ID away
		return
	}
	c.away = true
	w.stats["clusters that left"]++
	for _, a := range c.agents {
		if a.speaks {
			a.do(a.heed)
		}
	}
	w.after(w.between(time.Second, 20*time.Second), func() {
		if !w.calm {
			c.comeBack()
		}
	})
}

// comeBack lets a cluster that has left join again.
func (c *cluster) comeBack() {
	if !c.away {
		return
	}
	c.away = false
	c.w.note(returned, c.agents[0], nil, 0, 0)
	for _, a := range c.agents {
		if a.speaks {
			a.do(a.heed)
		}
	}
}

// addNamesake lets a second cluster with the ID and the certificate of another try to join, in the seeds that have
// one. It dials whoever has met the first: others would have to take it for that.
func (w *world) addNamesake() {
	if !w.scene.Namesake {
		return
	}
	first := w.anyCluster()
	c := &cluster{w: w, i: w.scene.Members, id: first.id, uid: "another", knows: make([]bool, w.scene.Members), kept: keepings{}}
	a := &agent{w: w, cluster: c, name: string(c.id) + "/namesake"}
	c.agents = []*agent{a}
	first.namesake = a
	w.after(w.between(2*time.Second, 10*time.Second), func() { a.intrude(first) })
}

// intrude lets a namesake say things of its own, as late as the first, and keep dialing the others.
func (a *agent) intrude(first *cluster) {
	w := a.w
	a.begins()
	a.leads = true
	e := w.anyExport(a.cluster.id, w.anyName())
	e.Consumers = nil
	a.store.Announce(federation.NextTerm(0, a.clock()), []*federation.Export{e})
	a.hears = true
	for _, o := range w.clusters {
		if o != first {
			a.dial(o.i)
		}
	}
}

func (a *agent) isNamesake() bool { return a.cluster.i == a.w.scene.Members }

// mayTry reports whether an agent may dial another: a namesake only who knows the first.
func (a *agent) mayTry(target *agent) bool {
	return !a.isNamesake() || target.store.UID(a.cluster.id) != ""
}

// misled returns who takes a namesake for the first, "" if nobody does.
func (w *world) misled() string {
	for _, c := range w.clusters {
		for _, a := range w.agents {
			if uid := a.store.UID(c.id); c.namesake != nil && uid != "" && uid != c.uid {
				return a.name + " takes " + string(c.id) + " for the one with UID " + uid
			}
		}
	}
	return ""
}
