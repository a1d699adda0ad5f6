package sim

import (
	"maps"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// set is what a leader said at one version. It is never written to.
type set map[federation.ServiceName]word

// word is one record of a set.
type word struct {
	owner  *cluster
	export *federation.Export
	hash   federation.Hash
}

// registry knows all that leaders ever said, by the model and not by any Store, and what agents concluded of it.
type registry struct {
	owners    []owner
	concluded map[federation.Digest]*importer.Service // first, by what it was concluded from
}

type owner struct {
	words map[federation.Hash]bool
	// at holds what was said at a version: mostly one set. A restored backup can let two leaders share a term.
	at map[federation.Version][]set
	// left holds the versions at which it had left.
	left map[federation.Version]bool
}

func newRegistry(members int) registry {
	r := registry{owners: make([]owner, members), concluded: map[federation.Digest]*importer.Service{}}
	for i := range r.owners {
		r.owners[i] = owner{words: map[federation.Hash]bool{}, at: map[federation.Version][]set{}, left: map[federation.Version]bool{}}
	}
	return r
}

// note records that a leader says s at v.
func (o *owner) note(v federation.Version, s set) {
	for _, x := range s {
		o.words[x.hash] = true
	}
	for _, before := range o.at[v] {
		if maps.EqualFunc(before, s, func(a, b word) bool { return a.hash == b.hash }) {
			return
		}
	}
	o.at[v] = append(o.at[v], s)
}

// gone reports whether the owner had left at a version, whoever of two leaders with one term said it.
func (o *owner) gone(v federation.Version) bool { return o.left[v] && len(o.at[v]) == 1 }

// digest returns that of what a viewer may see of a set.
func (s set) digest(viewer federation.ClusterID) (d federation.Digest, records int) {
	for _, x := range s {
		if x.owner.maySee(x.export, viewer) {
			d += federation.Digest(x.hash)
			records++
		}
	}
	return d, records
}

// with returns a copy in which one name says something else, or nothing if e is nil.
func (s set) with(owner *cluster, name federation.ServiceName, e *federation.Export) set {
	c := maps.Clone(s)
	if e == nil {
		delete(c, name)
	} else {
		c[name] = word{owner, e, federation.Sealed(e).Hash}
	}
	return c
}

// exported returns what a cluster exports: nothing while it has left.
func (c *cluster) exported() set {
	if c.away {
		return set{}
	}
	s := make(set, len(c.truth))
	for name, e := range c.truth {
		s[name] = word{c, e, federation.Sealed(e).Hash}
	}
	return s
}

// names returns those of a map in their order: whatever decides walks maps like this.
func names[T any](m map[federation.ServiceName]T) []federation.ServiceName {
	return slices.SortedFunc(maps.Keys(m), federation.ServiceName.Compare)
}
