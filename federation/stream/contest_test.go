package stream

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// A peer that holds a greater version of ours than we do makes the leader take another term, and hears it.
func TestAGreaterVersionOfOursIsContested(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	u := wholeSet("east", federation.Version{Term: 5, Seq: 7}, export("east", "old", "10.0.0.9"))
	if _, err := b.store.Apply(u); err != nil {
		t.Fatal(err)
	}
	a.reconnect()
	a.settle(t)
	rival, _ := a.store.Contested()
	if rival != u.To || b.store.Version("east") != u.To {
		t.Fatalf("contested by %s, held at %s", rival, b.store.Version("east"))
	}
	a.store.Renew(rival.Term + 1)
	a.settle(t)
	a.agrees(t)
	if a.store.Version("east") != (federation.Version{Term: 6, Seq: 1}) {
		t.Errorf("at %s", a.store.Version("east"))
	}
}

// A term that nobody can have taken yet is refused and told of, and changes nothing: neither ours nor a peer's.
func TestATermBeyondTheClockIsRefused(t *testing.T) {
	most, said := federation.MaxTerm(epoch), federation.MaxTerm(epoch.Add(clockMargin))
	for term, refuses := range map[uint64]struct{ claim, update bool }{
		most: {false, false}, most + 1: {true, false}, said: {true, false}, said + 1: {true, true},
	} {
		store := newStore("east")
		s := NewSession(store, "west", Peer, epoch)
		v := federation.Version{Term: term, Seq: 1}
		contest, err := s.Handle(westHas(federation.Head{Version: v}), epoch)
		if err != nil || (len(contest) == 1) != refuses.claim {
			t.Errorf("hello with term %d: refused %v, error %v", term, contest, err)
		}
		if rival, _ := store.Contested(); rival.IsZero() != refuses.claim {
			t.Errorf("hello with term %d: contested by %s", term, rival)
		}
		update, err := s.Handle(says(t, wholeSet("west", v)), epoch)
		if err != nil || (len(update) == 1) != refuses.update || store.Version("west").IsZero() != refuses.update {
			t.Errorf("update to term %d: refused %v, error %v, held at %s", term, update, err, store.Version("west"))
		}
		for _, r := range append(contest, update...) {
			if !strings.Contains(r.Error(), "a day ahead") {
				t.Errorf("refused: %v", r)
			}
		}
	}
}

// A hello of many impossible claims is told of a few times.
func TestFewImpossibleClaimsAreToldOf(t *testing.T) {
	f := west()
	for range 1000 {
		f.GetHello().Have = append(f.GetHello().Have, &wire.Head{Owner: "east", Version: &wire.Version{Term: 1 << 63}})
	}
	refused, err := NewSession(newStore("east"), "west", Peer, epoch).Handle(f, epoch)
	if err != nil || len(refused) != maxReported {
		t.Errorf("%d refused, error %v", len(refused), err)
	}
}
