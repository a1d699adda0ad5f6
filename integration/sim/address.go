package sim

import (
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// rest is for how long a name keeps its address after it went. Agents let it rest longer; here it is to be given
// back within a play.
const rest = 12 * time.Second

// keeping is what an API server holds of an imported name: the slices, which remember what each cluster said, and
// the address.
type keeping struct {
	slices  map[federation.ClusterID]*federation.Export
	address int
	resting bool
	since   time.Duration
}

type keepings map[federation.ServiceName]*keeping

// clone returns a copy, as a backup is.
func (k keepings) clone() keepings {
	c := make(keepings, len(k))
	for name, one := range k {
		copied := *one
		copied.slices = maps.Clone(one.slices)
		c[name] = &copied
	}
	return c
}

// keep makes what the API server holds of names match what the leader's View says, as importer/kube does: nothing of
// a cluster goes before its first complete set came.
func (c *cluster) keep(a *agent, list []federation.ServiceName) {
	if c.out || c.lease != a {
		return // when the API server is back, or another leads, all is looked at
	}
	for _, name := range list {
		c.keepName(a, name)
	}
}

// keepAll looks at all names anew.
func (c *cluster) keepAll(a *agent) {
	list := append(names(a.view), names(c.kept)...)
	slices.SortFunc(list, federation.ServiceName.Compare)
	c.keep(a, slices.Compact(list))
}

func (c *cluster) keepName(a *agent, name federation.ServiceName) {
	k, exports := c.kept[name], a.view[name].exports
	if k == nil && len(exports) == 0 {
		return
	}
	if k == nil {
		c.addresses++
		k = &keeping{slices: map[federation.ClusterID]*federation.Export{}, address: c.addresses}
		c.kept[name] = k
		c.w.note(allocated, a, nil, uint64(k.address), 0)
	}
	for _, e := range exports {
		k.slices[e.Cluster] = e
	}
	for _, id := range slices.Sorted(maps.Keys(k.slices)) {
		if !c.w.speaksOf(exports, id) && !a.store.Version(id).IsZero() {
			delete(k.slices, id)
		}
	}
	switch {
	case len(k.slices) > 0:
		k.resting = false
	case !k.resting:
		k.resting, k.since = true, c.w.now
		c.w.after(rest, func() { c.release(name, k) })
	}
}

func (w *world) speaksOf(exports []*federation.Export, id federation.ClusterID) bool {
	return slices.ContainsFunc(exports, func(e *federation.Export) bool { return e.Cluster == id })
}

// release gives the address of a name back that has rested for long enough. No agent of the cluster may know the name
// from a set that is that of its version: then it has just not been looked at.
func (c *cluster) release(name federation.ServiceName, k *keeping) {
	a := c.leader()
	if c.kept[name] != k || !k.resting || c.w.now < k.since+rest {
		return
	}
	if a == nil || c.out {
		c.w.after(time.Second, func() { c.release(name, k) })
		return
	}
	for i, o := range c.w.clusters {
		v := a.store.Version(o.id)
		if said := c.w.said.owners[i].at[v]; len(said) > 0 && !slices.ContainsFunc(said, func(s set) bool { return !s.shows(name, c.id) }) {
			c.w.fail("an address stays as long as its name is there", "%s gives back that of %s, which %s exports at %s", a.name, name, o.id, v)
		}
	}
	delete(c.kept, name)
	c.w.stats["addresses given back"]++
	c.w.note(released, a, nil, uint64(k.address), 0)
}

// shows reports whether a viewer may see that name in the set.
func (s set) shows(name federation.ServiceName, viewer federation.ClusterID) bool {
	x, there := s[name]
	return there && x.owner.maySee(x.export, viewer)
}
