package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/importer"
)

// seen is what an agent was seen to hold of one name.
type seen struct {
	exports []*federation.Export
	hashes  []federation.Hash

	patience federation.Patience
}

// took checks an agent after it handled a frame.
func (a *agent) took(e *end, f *wire.Frame) {
	if c := f.GetChunk(); c == nil || !c.GetLast() {
		return
	} else if isHashes(c) {
		a.w.stats["messages of hashes"]++
	}
	switch {
	case e.role == stream.Leader:
		for _, c := range a.w.clusters {
			a.checkHead(c)
		}
	case !e.peer.agent.isNamesake(): // of which nothing is taken, as its first is looked at
		a.checkHead(e.peer.agent.cluster)
	}
	a.look()
	for _, o := range a.ends {
		if o.role == stream.Standby {
			o.woken()
		}
	}
}

// isHashes reports whether a message that goes as it is tells hashes.
func isHashes(c *wire.Chunk) bool {
	number, _, length := protowire.ConsumeTag(c.GetData())
	return c.GetFirst() && c.GetSize() == 0 && length > 0 && number == 2
}

// checkHead checks how much an agent holds of a cluster.
func (a *agent) checkHead(c *cluster) {
	before, head := a.heads[c.i], a.store.Head(c.id)
	if head == before {
		return
	}
	a.heads[c.i] = head
	w, v := a.w, head.Version
	w.note(took, a, c.agents[0], v.Term, v.Seq)
	if v.Compare(before.Version) < 0 {
		w.fail("the versions of an owner never go back", "%s held %s at %s, and now at %s", a.name, c.id, before.Version, v)
		return
	}
	if c != a.cluster && a.leads {
		a.cluster.knows[c.i] = !w.said.owners[c.i].gone(v)
	}
	if before.Version.IsZero() && !v.IsZero() {
		a.resync = true // what is kept of it may go now
	}
	if v.IsZero() {
		return
	}
	if !slices.ContainsFunc(w.said.owners[c.i].at[v], func(s set) bool {
		digest, records := s.digest(a.cluster.id)
		return digest == head.Digest && records == head.Records
	}) {
		w.fail("a set is what its owner said at its version", "%s holds %d records of %s at %s, digest %x; its leaders said %s",
			a.name, head.Records, c.id, v, head.Digest, describe(w.said.owners[c.i].at[v], a.cluster.id))
	}
}

// look checks the names that changed, and concludes them anew.
func (a *agent) look() {
	list, now, reaches := a.store.NamesSince(a.revision)
	if !reaches {
		a.w.fail("the journal reaches back", "%s at revision %d", a.name, a.revision)
		return
	}
	if now == a.revision && !a.resync {
		return
	}
	a.revision = now
	slices.SortFunc(list, federation.ServiceName.Compare)
	for _, name := range list {
		a.lookAt(name)
	}
	if a.leads && a.resync {
		a.cluster.keepAll(a)
	} else if a.leads {
		a.cluster.keep(a, list)
	}
	a.resync = false
}

func (a *agent) lookAt(name federation.ServiceName) {
	before, exports := a.view[name], a.store.Exports(name)
	now := seen{exports: exports, hashes: make([]federation.Hash, len(exports))}
	for i, e := range exports {
		if at := slices.Index(before.exports, e); at >= 0 {
			now.hashes[i] = before.hashes[at]
		} else {
			now.hashes[i] = federation.Sealed(e).Hash
			a.checkRecord(e, now.hashes[i])
		}
	}
	for _, e := range before.exports {
		if !slices.ContainsFunc(exports, func(o *federation.Export) bool { return o.Cluster == e.Cluster }) {
			a.checkGone(e)
		}
	}
	if len(exports) == 0 {
		a.regroup(before, -1)
		delete(a.view, name)
		return
	}
	now.patience = a.cluster.patienceFor(exports)
	a.regroup(now, 1)
	a.regroup(before, -1)
	a.view[name] = now
	a.conclude(name, now)
}

// checkRecord checks a record that an agent did not hold before.
func (a *agent) checkRecord(e *federation.Export, hash federation.Hash) {
	w, c := a.w, a.w.clusters[a.w.index[e.Cluster]]
	o := &w.said.owners[c.i]
	if !o.words[hash] {
		w.fail("no record that its owner's leader did not write", "%s holds of %s: %+v", a.name, e.Cluster, *e)
	}
	if !c.maySee(e, a.cluster.id) {
		w.fail("nothing visible that is not exported to the viewer", "%s holds %s of %s", a.name, e.Name, e.Cluster)
	}
	if v := a.store.Version(e.Cluster); !v.IsZero() && !slices.ContainsFunc(o.at[v], func(s set) bool { return s[e.Name].hash == hash }) {
		w.fail("a record is what its owner said at its version", "%s holds %s of %s at %s: %+v", a.name, e.Name, e.Cluster, v, *e)
	}
}

// checkGone checks that a record went by its owner's word: absence is not a fact.
func (a *agent) checkGone(e *federation.Export) {
	w, c := a.w, a.w.clusters[a.w.index[e.Cluster]]
	v := a.store.Version(e.Cluster)
	lacks := func(s set) bool {
		x, there := s[e.Name]
		return !there || !c.maySee(x.export, a.cluster.id)
	}
	if !slices.ContainsFunc(w.said.owners[c.i].at[v], lacks) {
		w.fail("a record goes by its owner's word alone", "%s holds %s of %s no more, and at %s it is there", a.name, e.Name, e.Cluster, v)
	}
}

// conclude checks that all who hold the same records of a name conclude the same.
func (a *agent) conclude(name federation.ServiceName, now seen) {
	var key federation.Digest // of what it is concluded from, whose order is that of the clusters
	for i, e := range now.exports {
		key = (key*1099511628211 + federation.Digest(a.w.index[e.Cluster])) ^ federation.Digest(now.hashes[i])
	}
	s := importer.Merge(now.exports)
	first := a.w.said.concluded[key]
	if first == nil {
		a.w.said.concluded[key] = s
		return
	}
	if !sameConclusion(first, s) {
		a.w.fail("all that hold the same records conclude the same", "%s of %s: %+v, and another %+v", a.name, name, *s, *first)
	}
}

// sameConclusion compares all but what both were concluded from.
func sameConclusion(a, b *importer.Service) bool {
	return a.Name == b.Name && a.Type == b.Type && slices.Equal(a.Ports, b.Ports) && slices.Equal(a.IPFamilies, b.IPFamilies) &&
		a.SessionAffinity == b.SessionAffinity && a.SessionAffinitySeconds == b.SessionAffinitySeconds &&
		a.InternalTrafficPolicy == b.InternalTrafficPolicy && a.TrafficDistribution == b.TrafficDistribution &&
		maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) && slices.Equal(a.Conflicts, b.Conflicts)
}

// describe lists what was said at one version, as a viewer may see it.
func describe(list []set, viewer federation.ClusterID) string {
	var texts []string
	for _, s := range list {
		digest, records := s.digest(viewer)
		texts = append(texts, fmt.Sprintf("%d records, digest %x", records, digest))
	}
	return fmt.Sprintf("[%s]", strings.Join(texts, "; "))
}
