package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Whichever side dials, the records of both flow in the one stream.
func TestRecordsFlowBothWaysInOneStream(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east")
	west := n.start(t, "west", "east")
	a, b := export("east", "web", "10.0.0.1"), export("west", "api", "10.1.0.1", "fd00::1")
	east.store.Set(a)
	west.store.Set(b)
	west.holds(t, a)
	east.holds(t, b)
	more := export("east", "web", "10.0.0.1", "10.0.0.2")
	east.store.Set(more)
	west.holds(t, more)
	east.store.Withdraw(a.Name)
	west.lacks(t, a.Name)
}

// Two members that dial each other keep one stream, the one dialed by the lower ID, and go on.
func TestTwoDialersKeepOneStream(t *testing.T) {
	n := newNetwork()
	east, west := n.start(t, "east", "west"), n.start(t, "west", "east")
	for i := range 50 {
		e := export("east", fmt.Sprintf("web-%d", i), "10.0.0.1")
		w := export("west", fmt.Sprintf("api-%d", i), "10.1.0.1")
		east.store.Set(e)
		west.store.Set(w)
		west.holds(t, e)
		east.holds(t, w)
	}
	for _, m := range []*member{east, west} {
		m.exchange.links.mu.Lock()
		if n := len(m.exchange.links.active); n != 1 {
			t.Errorf("%s has %d streams, want 1", m.store.Self(), n)
		}
		m.exchange.links.mu.Unlock()
	}
}

// A set far larger than a frame arrives whole, and a change behind it follows.
func TestLargeSetArrives(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east")
	large := export("east", "large", addresses(5000)...)
	east.store.Set(large)
	west := n.start(t, "west", "east")
	west.holds(t, large)
	small := export("east", "small", "10.0.0.1")
	east.store.Set(small)
	west.holds(t, small)
	if a, b := east.exchange.Totals()["west"].Streams, west.exchange.Totals()["east"].Streams; a != 1 || b != 1 {
		t.Errorf("%d and %d streams came up", a, b)
	}
}

// A set of many parts arrives whole, both ways at once.
func TestManyPartsArriveBothWays(t *testing.T) {
	n := newNetwork()
	east, west := newStore("east", many("east", 4_000)...), newStore("west", many("west", 4_000)...)
	n.lead(t, east, "east")
	n.lead(t, west, "west", "east")
	reaches(t, west, "all of east", func() bool { return west.Head("east") == east.Head("east") })
	reaches(t, east, "all of west", func() bool { return west.Head("west") == east.Head("west") })
	agree(t, east, west, "east")
	agree(t, west, east, "west")
}

// A peer that goes and comes back withdraws nothing meanwhile, and its next term is taken (promise 4).
func TestSilenceWithdrawsNothing(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east", "west")
	west := n.start(t, "west", "east")
	e := export("east", "web", "10.0.0.1")
	east.store.Set(e)
	west.holds(t, e)
	east.stop()
	if got := west.store.Exports(e.Name); len(got) != 1 {
		t.Fatalf("after the peer went: %d exports, want 1", len(got))
	}
	again := federation.NewStore("east")
	next := export("east", "web", "10.0.0.2")
	again.Announce(federation.NextTerm(west.store.Version("east").Term, time.Now()), []*federation.Export{next})
	n.lead(t, again, "east", "west")
	west.holds(t, next)
}

// A member that comes back with a clock, or a state, that is older than what its peers hold of it is heard
// all the same: it takes a greater term.
func TestAMemberWhoseTermWentBackIsHeard(t *testing.T) {
	n := newNetwork()
	west := n.start(t, "west")
	later := export("east", "web", "10.0.0.1")
	term := federation.NextTerm(0, time.Now().Add(time.Hour))
	if _, err := west.store.Apply(wholeSet("east", federation.Version{Term: term, Seq: 7}, later)); err != nil {
		t.Fatal(err)
	}
	east := n.start(t, "east", "west")
	now := export("east", "web", "10.0.0.2")
	east.store.Set(now)
	for rival, changed := east.store.Contested(); rival.IsZero(); rival, changed = east.store.Contested() { // as the leader does
		<-changed
	}
	east.store.Renew(east.store.LeastTerm())
	west.holds(t, now)
	if v := west.store.Version("east"); v.Term <= term {
		t.Errorf("held at %s, want a term greater than %d", v, term)
	}
}
