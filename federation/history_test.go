package federation

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// history plays one owner, the leader of another cluster that follows it, the leader's standby that follows the
// leader, and one reader of the leader.
type history struct {
	t      *testing.T
	r      *rand.Rand
	owner  *Store
	first  *link            // owner to leader
	second *link            // leader to standby
	heads  map[Version]Head // the owner's

	read     map[ServiceName][]*Export // what the reader knows
	revision uint64
}

func newHistory(t *testing.T, r *rand.Rand, seen map[string]int) *history {
	h := &history{t: t, r: r, owner: NewStore("own"), heads: map[Version]Head{}, read: map[ServiceName][]*Export{}}
	leader := NewStore("east")
	h.first, h.second = newLink(t, r, h.owner, leader, seen), newLink(t, r, leader, NewStore("east"), seen)
	h.announce()
	return h
}

// anyRecord returns a small service, a large one, or what a few edits make of the large one that is there.
func (h *history) anyRecord() *Export {
	n := h.r.IntN(9)
	if n < 5 {
		return h.forSome(web("own", fmt.Sprintf("s-%d", n), []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}[:h.r.IntN(4)]...))
	}
	name := fmt.Sprintf("big-%d", n%3)
	if e := h.owner.Export("own", named(name)); e != nil {
		return h.forSome(anyEdit(h.r, e))
	}
	return h.forSome(anyBig(h.r, "own", name))
}

// forSome returns e as it was, or now and then with another audience: all, the follower, another one.
func (h *history) forSome(e *Export) *Export {
	if h.r.IntN(3) > 0 {
		return e
	}
	e = edited(e, func(e *Export) { e.Consumers = [][]string{nil, {"e*", "north"}, {"north"}, {"west"}}[h.r.IntN(4)] })
	return e
}

// announce begins a term, half of the times in a process that remembers nothing, with a set that is often much like
// the one before.
func (h *history) announce() {
	term := NextTerm(h.owner.Version("own").Term, time.UnixMilli(h.r.Int64N(5)))
	exports := map[ServiceName]*Export{}
	if h.r.IntN(3) > 0 {
		exports = said(h.owner, "own")
	}
	for range h.r.IntN(4) {
		e := h.anyRecord()
		exports[e.Name] = e
	}
	if h.r.IntN(2) == 0 {
		h.owner = NewStore("own")
		h.first.from = h.owner
	}
	h.owner.Announce(term, slices.Collect(maps.Values(exports)))
}

// restartLeader makes all who read the leader begin anew.
func (h *history) restartLeader() {
	h.first.restart()
	h.second.from = h.first.to
	h.read, h.revision = map[ServiceName][]*Export{}, 0
}

// catchUp is what the reader of the leader does when it wakes.
func (h *history) catchUp() {
	list, now, reaches := h.first.to.NamesSince(h.revision)
	if !reaches {
		h.t.Fatal("the journal is longer than this history")
	}
	for _, name := range list {
		h.read[name] = h.first.to.Exports(name)
	}
	h.revision = now
}

func (h *history) step() {
	link := []*link{h.first, h.second}[h.r.IntN(2)]
	switch n := h.r.IntN(100); {
	case n < 25:
		h.owner.Set(h.anyRecord())
	case n < 30:
		h.owner.Withdraw(h.anyRecord().Name)
	case n < 32:
		h.announce()
	case n < 56:
		link.ask()
	case n < 90:
		link.deliver()
	case n < 97:
		h.catchUp()
	case n < 98:
		h.restartLeader()
	case n < 99:
		h.second.restart()
	default:
		link.flight = nil // the stream breaks
	}
	h.first.note()
	h.second.note()
	h.first.check()
	h.second.check()
	h.checkOwner()
}

// checkOwner sees that the owner says one thing at each version.
func (h *history) checkOwner() {
	head := h.owner.Head("own")
	if before, known := h.heads[head.Version]; known && before != head {
		h.t.Fatalf("%+v, and before %+v", head, before)
	}
	if head.Digest != sum(said(h.owner, "own")) {
		h.t.Fatalf("%+v, want digest %x", head, sum(said(h.owner, "own")))
	}
	h.heads[head.Version] = head
}

// Promises 4 and 5: whatever is lost, late, repeated, cut or restarted, a follower holds at each version just what
// the owner said at it, its version never goes back, and in the end it has everything; and so have who follows
// the follower, and who reads it at moments of its own choice.
func TestFollowersHoldJustWhatTheOwnerSaid(t *testing.T) {
	r := random(t)
	seen := map[string]int{}
	for range 60 {
		h := newHistory(t, r, seen)
		for range 500 {
			h.step()
		}
		catchUp(t, h.owner, h.first.to, "own")
		catchUp(t, h.first.to, h.second.to, "own")
		if a, b := visible(h.owner, "own", "east"), said(h.second.to, "own"); h.owner.SeenBy("east").Head("own") != h.second.to.Head("own") || !sameSay(a, b) {
			t.Fatalf("in the end the standby holds\n%v\nthe owner said\n%v", b, a)
		}
		h.catchUp()
		for name, list := range h.read {
			if !slices.Equal(list, h.first.to.Exports(name)) {
				t.Fatalf("the reader of %s has %v, the Store %v", name, list, h.first.to.Exports(name))
			}
		}
		if missing := len(h.first.to.NamesIn("shop")); missing > len(h.read) {
			t.Fatalf("the reader knows %d names, the Store %d", len(h.read), missing)
		}
	}
	for _, what := range []string{
		"increment", "relative", "empty", "patched", "withdrawn", "stale", "asked", "in parts", "partly", "tailored", "silent", "remembered", "a gap", "older",
	} {
		if seen[what] < 5 {
			t.Errorf("%q happened %d times only, of %v: the histories are too tame to show anything", what, seen[what], seen)
		}
	}
}
