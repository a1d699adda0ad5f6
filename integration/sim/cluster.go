package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// cluster is what one API server remembers, and its agents.
type cluster struct {
	w      *world
	i      int
	id     federation.ClusterID
	agents []*agent

	truth     map[federation.ServiceName]*federation.Export // what is exported
	term      uint64                                        // in hansa-state
	kept      keepings
	addresses int // that were ever allocated: none twice
	backup    backup

	patience federation.Patience   // of its agents
	policy   federation.Namespaces // of its exports
	uid      string                // of kube-system
	knows    []bool                // the other clusters that have not left, in hansa-state
	away     bool                  // it has left the clusterset
	gone     bool                  // none of its agents starts
	namesake *agent                // of another cluster with the same ID; nil for none

	out   bool   // the API server is
	lease *agent // who holds it
	hold  int    // counts who held it

	renewals int // counts when it was renewed late
}

// backup is a copy of what an API server remembers.
type backup struct {
	truth map[federation.ServiceName]*federation.Export
	term  uint64
	kept  keepings
	knows []bool
}

func (c *cluster) takeBackup() {
	c.backup = backup{maps.Clone(c.truth), c.term, c.kept.clone(), slices.Clone(c.knows)}
}

// restore makes the API server what it was, and its agents start again.
func (c *cluster) restore(b backup) {
	c.w.note(restored, c.agents[0], nil, b.term, 0)
	for _, a := range c.agents {
		a.crash(true)
	}
	c.truth, c.term, c.kept = maps.Clone(b.truth), b.term, b.kept.clone()
	clear(c.knows)
	copy(c.knows, b.knows)
	if c.truth == nil {
		c.truth = map[federation.ServiceName]*federation.Export{}
	}
	for _, k := range c.kept {
		k.resting = false // it begins anew, when it is looked at
	}
	c.free()
	for _, a := range c.agents {
		a.startIn(c.w.between(100*time.Millisecond, 3*time.Second))
	}
}

// leader returns who leads, nil if nobody.
func (c *cluster) leader() *agent {
	if a := c.lease; a != nil && a.up && a.leads && !a.hangs {
		return a
	}
	return nil
}

// The Lease: 10 s, of which a leader may go on for 7 without renewing it.
const (
	leaseTime = 10 * time.Second
	renewTime = 7 * time.Second
)

// free lets the Lease go, and somebody take it.
func (c *cluster) free() {
	c.lease = nil
	c.hold++
	c.w.after(c.w.between(50*time.Millisecond, time.Second), c.elect)
}

// expire frees the Lease once it was not renewed for long enough, unless another holds it by then.
func (c *cluster) expire() {
	hold, renewals := c.hold, c.renewals
	c.w.after(leaseTime, func() {
		if c.hold == hold && c.renewals == renewals {
			c.free()
		}
	})
}

// elect gives a free Lease to an agent that can take it.
func (c *cluster) elect() {
	if c.lease != nil || c.out {
		return
	}
	first := c.w.r.IntN(len(c.agents))
	for i := range c.agents {
		if a := c.agents[(first+i)%len(c.agents)]; a.up && !a.hangs {
			c.lease = a
			c.hold++
			a.lead()
			break
		}
	}
	for _, a := range c.agents {
		if a != c.lease && a.up {
			a.do(a.standBy)
		}
	}
}

// say changes what the cluster exports; its leader sees that at once.
func (c *cluster) say() {
	w := c.w
	name := w.anyName()
	e := c.truth[name]
	switch {
	case e == nil:
		e = w.anyExport(c.id, name)
	case w.chance(25):
		e = nil
	case w.chance(25):
		e = w.anyExport(c.id, name)
	default:
		e = w.edit(e)
	}
	if e == nil {
		delete(c.truth, name)
	} else {
		c.truth[name] = e
	}
	if a := c.leader(); a != nil && a.speaks && !a.left {
		a.follow(name)
	}
}
