package stream

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

func TestBothSidesLearnEverything(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west", export("west", "web", "10.1.0.1"), export("west", "api")))
	a.settle(t)
	a.agrees(t)
	b.agrees(t)
	b.store.Withdraw(webName)
	a.settle(t)
	b.agrees(t)
}

// While a peer is not asked for frames, its changes meet in one update, in which the newest wins.
func TestChangesMeetWhileThePeerIsSlow(t *testing.T) {
	a, b := talk(newStore("east", export("east", "old")), newStore("west"))
	a.settle(t)
	for i := range 1000 {
		a.store.Set(export("east", "web", fmt.Sprintf("10.0.0.%d", i%250+1)))
		a.store.Set(export("east", "gone", fmt.Sprintf("10.0.0.%d", i%250+1)))
		a.store.Withdraw(named("gone"))
	}
	a.store.Withdraw(named("old"))
	if !a.send(t) || a.send(t) {
		t.Fatal("not one frame")
	}
	list := b.updates(t)
	if len(list) != 1 || list[0].From.IsZero() || len(list[0].Put) != 1 || len(list[0].Patched) != 0 || !slices.Equal(list[0].Withdrawn, []federation.ServiceName{named("old")}) {
		t.Fatalf("updates %+v", list)
	}
	a.settle(t)
	a.agrees(t)
}

// A stream that goes on where the last one ended sends nothing again.
func TestNewStreamGoesOnWhereTheLastEnded(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	a.store.Set(export("east", "api"))
	a.reconnect()
	b.receive(t)
	a.receive(t)
	if !a.send(t) || a.send(t) || b.send(t) {
		t.Fatal("want one frame from east alone")
	}
	list := b.updates(t)
	if len(list) != 1 || list[0].From.IsZero() || len(list[0].Put) != 1 || list[0].Put[0].Name.Name != "api" {
		t.Fatalf("updates %+v", list)
	}
	a.settle(t)
	a.agrees(t)
}

// At the same version there is nothing to say but that one lives.
func TestNewStreamAtTheSameVersionSaysNothing(t *testing.T) {
	a, b := talk(newStore("east", many("east", 100)...), newStore("west", many("west", 100)...))
	a.settle(t)
	a.exchanged()
	a.reconnect()
	a.resettle(t)
	for _, side := range []*end{a, b} {
		if side.sent > 250 {
			t.Errorf("%s sent %d bytes", side.store.Self(), side.sent)
		}
		side.agrees(t)
	}
}

// An update that does not join on is answered with hashes, and then the rest comes.
func TestGapIsHealedByHashes(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	before := a.store.Head("east")
	a.store.Set(export("east", "lost"))
	a.session.sender.to("east").has = a.store.Head("east") // as if west had it
	a.store.Set(export("east", "api"))
	a.send(t)
	b.receive(t)
	b.send(t)
	told := a.messages(t)
	if len(told) != 1 || len(told[0].GetHashes().GetHashes()) != 1 || b.store.Head("east") != before {
		t.Fatalf("answered with %v at %+v", told, b.store.Head("east"))
	}
	a.settle(t)
	a.agrees(t)
}

// An update that never came is found by the next one.
func TestLostUpdateIsFound(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	for _, name := range []string{"lost", "api"} {
		a.store.Set(export("east", name))
		a.send(t)
	}
	b.inbox = b.inbox[1:]
	a.settle(t)
	a.agrees(t)
}

// Who lost everything meanwhile is told everything.
func TestGapOfALostPositionBringsTheWholeSet(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	b.store = newStore("west")
	b.session.store, b.session.sender.store, b.session.receiver.store = b.store, b.store, b.store
	a.store.Set(export("east", "api"))
	a.settle(t)
	a.agrees(t)
}

// An update that is broken off by a new one leaves no trace of itself.
func TestBrokenOffUpdateIsForgotten(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", Peer, epoch)
	broken := says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "broken", "10.0.0.1"))).GetChunk().GetData()
	whole := says(t, wholeSet("west", federation.Version{Term: 1, Seq: 2}, export("west", "web", "10.0.0.1"))).GetChunk().GetData()
	err := handleAll(s, west(),
		chunk(broken[:len(broken)/2], true, false), beat(), chunk(whole[:9], true, false), beat(), chunk(whole[9:], false, true))
	if err != nil || len(store.Exports(webName)) != 1 || store.Version("west").Seq != 2 {
		t.Errorf("error %v, held %v at %s", err, store.Exports(webName), store.Version("west"))
	}
}

// In another term the same set is one update without a record, and what differs is found by hashes.
func TestAnotherTermResendsOnlyWhatDiffers(t *testing.T) {
	set := many("east", 100)
	a, b := talk(newStore("east", set...), newStore("west"))
	a.settle(t)
	a.store.Announce(2, set)
	a.send(t)
	if list := b.updates(t); len(list) != 1 || len(list[0].Put)+len(list[0].Stale) > 0 || list[0].To.Term != 2 {
		t.Errorf("updates %+v", list)
	}
	a.settle(t)
	a.agrees(t)
	a.store.Announce(3, append(slices.Clone(set[1:99]), flipped(set[99], 0), export("east", "new")))
	a.send(t)
	if len(b.inbox) != 1 || b.inbox[0].GetAsk().GetOwner() != "east" || a.send(t) {
		t.Fatalf("want one question, got %v", b.inbox)
	}
	b.receive(t)
	b.send(t)
	a.receive(t)
	a.send(t)
	if list := b.updates(t); len(list) != 1 || len(list[0].Put) != 2 || len(list[0].Stale) != 2 || !list[0].From.IsZero() {
		t.Errorf("updates %+v", list)
	}
	a.settle(t)
	a.agrees(t)
}

// Until the hashes came that were asked for, nothing is said of that owner: it could not join on.
func TestChangesWaitForTheHashesAskedFor(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	a.store.Announce(2, []*federation.Export{export("east", "api")})
	for i := range 10 {
		a.send(t)
		a.store.Set(export("east", fmt.Sprintf("s-%d", i)))
	}
	if len(b.inbox) != 1 {
		t.Fatalf("%d frames, want one question", len(b.inbox))
	}
	a.settle(t)
	a.agrees(t)
}
