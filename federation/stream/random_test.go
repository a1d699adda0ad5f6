package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// smallPart lets a set of a few records go in several parts.
const smallPart = 2_000

// Promise 4: changes, slow frames, broken streams, new terms and restarts at random moments; in the end each side
// holds just what the other says. Every seed plays the same again.
func TestSidesAgreeWhateverHappensOnTheWay(t *testing.T) {
	r := random(t)
	for range 40 {
		a, b := talk(newStore("east"), newStore("west"))
		a.part, b.part = smallPart, smallPart
		for range 300 {
			chance(t, r, pick(r, a, b))
			lead(a.store)
			lead(b.store)
		}
		for range 2 {
			a.resettle(t)
			lead(a.store)
			lead(b.store)
		}
		a.resettle(t)
		a.agrees(t)
		b.agrees(t)
	}
}

func chance(t *testing.T, r *rand.Rand, e *end) {
	self := e.store.Self()
	switch n := r.IntN(100); {
	case n < 25:
		change(r, e.store)
	case n < 28:
		e.store.Announce(e.store.Version(self).Term+1, anySet(r, self, exportsOf(e.store, self)))
	case n < 29:
		e.store = anew(r, e.store, pick(r, 1, e.store.Version(self).Term+1))
		e.reconnect()
	case n < 32:
		e.reconnect()
	case n < 36:
		e.beat(t)
	case n < 68:
		e.send(t)
	default:
		e.receive(t)
	}
}

// change makes one change of what a store's own cluster says.
func change(r *rand.Rand, s *federation.Store) {
	name := fmt.Sprintf("s-%d", r.IntN(6))
	set := exportsOf(s, s.Self())
	switch n := r.IntN(10); {
	case n < 2:
		s.Withdraw(named(name))
	case n < 7 && len(set) > 0:
		s.Set(anyEdit(r, pick(r, set...)))
	default:
		s.Set(anyExport(r, s.Self(), name))
	}
}

// anySet returns what another leader of a cluster says: mostly what the last one said.
func anySet(r *rand.Rand, cluster federation.ClusterID, set []*federation.Export) []*federation.Export {
	var list []*federation.Export
	for _, e := range set {
		switch r.IntN(6) {
		case 0:
		case 1:
			list = append(list, anyEdit(r, e))
		default:
			list = append(list, e)
		}
	}
	return append(list, anyExport(r, cluster, fmt.Sprintf("new-%d", r.IntN(1e9))))
}

// anew returns the store of an agent that starts again and leads, in that term; of the others it remembers nothing,
// or what it held, or something of it.
func anew(r *rand.Rand, s *federation.Store, term uint64) *federation.Store {
	again := federation.NewStore(s.Self())
	again.Announce(term, anySet(r, s.Self(), exportsOf(s, s.Self())))
	remember(r, s, again)
	return again
}

// remember fills in what an agent knew of other clusters before it started again.
func remember(r *rand.Rand, before, now *federation.Store) {
	for _, o := range before.Owners() {
		set := exportsOf(before, o.Cluster)
		if !now.Leading() || o.Cluster != now.Self() {
			now.Restore(o.Cluster, set[:r.IntN(len(set)+1)])
		}
	}
}

// lead lets a store that is contested take another term, as its agent does.
func lead(s *federation.Store) {
	if rival, _ := s.Contested(); !rival.IsZero() {
		s.Renew(rival.Term + 1)
	}
}

// trio is west, east's leader, and east's standby: what west says comes to the standby by way of the leader.
type trio struct {
	west, leader  *end // of the stream between the clusters
	feed, standby *end // of the stream within east
}

func newTrio(west, leader, standby *federation.Store) *trio {
	tr := &trio{}
	tr.west, tr.leader = talk(west, leader)
	tr.feed, tr.standby = feed(leader, standby)
	for _, e := range tr.ends() {
		e.part = smallPart
		e.session.sender.part = smallPart
	}
	return tr
}

// lead makes that agent of east the leader, in another term, and the other one its standby.
func (tr *trio) lead(leader, standby *federation.Store, own []*federation.Export) {
	standby.Follow()
	leader.Announce(max(leader.Version("east").Term, standby.Version("east").Term)+1, own)
	*tr = *newTrio(tr.west.store, leader, standby)
}

func (tr *trio) ends() []*end { return []*end{tr.west, tr.leader, tr.feed, tr.standby} }

// chance lets anything happen to anybody.
func (tr *trio) chance(t *testing.T, r *rand.Rand) {
	any := pick(r, tr.ends()...)
	leader, standby := tr.leader.store, tr.standby.store
	switch n := r.IntN(200); {
	case n < 40:
		change(r, pick(r, tr.west, tr.leader).store)
	case n < 44:
		any.reconnect()
	case n < 46:
		tr.west.store.Announce(tr.west.store.Version("west").Term+1, anySet(r, "west", exportsOf(tr.west.store, "west")))
	case n < 47:
		tr.west.store = anew(r, tr.west.store, tr.west.store.Version("west").Term+1)
		tr.west.reconnect()
	case n < 48: // the leader starts again, and goes on leading
		own := anySet(r, "east", exportsOf(leader, "east"))
		again := federation.NewStore("east")
		remember(r, leader, again)
		tr.lead(again, standby, own)
	case n < 50: // the standby starts again
		again := federation.NewStore("east")
		remember(r, standby, again)
		*tr = *newTrio(tr.west.store, leader, again)
	case n < 52: // takeover
		tr.lead(standby, leader, exportsOf(standby, "east"))
	case n < 53: // takeover by one that lost everything
		tr.lead(federation.NewStore("east"), leader, anySet(r, "east", exportsOf(leader, "east")))
	case n < 60:
		any.beat(t)
	case n < 128:
		any.send(t)
	default:
		any.receive(t)
	}
	lead(tr.west.store)
	lead(tr.leader.store)
}

// settle goes on until nobody has anything to say, heartbeats included.
func (tr *trio) settle(t *testing.T) {
	for range 3 { // west is heard, what is contested taken anew, and passed on
		tr.west.resettle(t)
		lead(tr.west.store)
		lead(tr.leader.store)
		tr.feed.resettle(t)
	}
}

// Promises 3 to 5: an owner, the leader that hears it and the leader's standby, with changes, lost frames, broken
// streams, new terms, takeovers and restarts at random moments: in the end all hold the same of both clusters, and
// just what their leaders say.
func TestOwnerLeaderAndStandbyAgreeWhateverHappensOnTheWay(t *testing.T) {
	r := random(t)
	for range 30 {
		tr := newTrio(newStore("west"), newStore("east"), federation.NewStore("east"))
		for range 600 {
			tr.chance(t, r)
		}
		tr.settle(t)
		agree(t, tr.west.store, tr.leader.store, "west")
		agree(t, tr.west.store, tr.standby.store, "west")
		agree(t, tr.leader.store, tr.standby.store, "east")
		agree(t, tr.leader.store, tr.west.store, "east")
	}
}
