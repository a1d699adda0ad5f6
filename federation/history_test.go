package federation

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// history plays one owner, one follower of it and one reader of the follower, and remembers what the
// owner said at each version.
type history struct {
	t        *testing.T
	r        *rand.Rand
	owner    *Store
	follower *Store
	at       map[Version]map[ServiceName]*Export
	flight   []*Update // made, and not applied yet
	restored map[ServiceName]*Export

	read     map[ServiceName][]*Export // what the reader knows
	revision uint64
}

func newHistory(t *testing.T, r *rand.Rand) *history {
	h := &history{t: t, r: r, owner: NewStore("own"), at: map[Version]map[ServiceName]*Export{}}
	h.announce()
	h.restart()
	return h
}

func (h *history) anyWeb() *Export {
	name := fmt.Sprintf("s-%d", h.r.IntN(6))
	return web("own", name, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}[:h.r.IntN(4)]...)
}

// announce begins a term, half of the times in a process that remembers nothing.
func (h *history) announce() {
	term := NextTerm(h.owner.Version("own").Term, time.UnixMilli(h.r.Int64N(5)))
	if h.r.IntN(2) == 0 {
		h.owner = NewStore("own")
	}
	exports := map[ServiceName]*Export{}
	for range h.r.IntN(6) {
		e := h.anyWeb()
		exports[e.Name] = e
	}
	h.owner.Announce(term, slices.Collect(maps.Values(exports)))
}

// restart makes the follower forget all but what it may remember of one moment of the past.
func (h *history) restart() {
	h.follower, h.read, h.revision, h.restored = NewStore("east"), map[ServiceName][]*Export{}, 0, nil
	for _, past := range h.at {
		if h.r.IntN(2) == 0 {
			h.restored = past
			h.follower.Restore("own", slices.Collect(maps.Values(past)))
		}
		break
	}
}

// ask takes an update for the follower, or for a position that it never had or lost.
func (h *history) ask() {
	from := h.follower.Version("own")
	switch h.r.IntN(6) {
	case 0:
		from = Version{}
	case 1:
		for from = range h.at {
			break
		}
	}
	if u := h.owner.Since("own", from); u != nil {
		h.flight = append(h.flight, u)
	}
}

// deliver applies one update in flight: maybe not the first, maybe again later.
func (h *history) deliver() {
	if len(h.flight) == 0 {
		return
	}
	i := h.r.IntN(len(h.flight))
	before := h.follower.Version("own")
	err := h.follower.Apply(h.flight[i])
	if err != nil && !errors.Is(err, ErrGap) && !errors.Is(err, ErrOlder) {
		h.t.Fatal(err)
	}
	if h.r.IntN(4) > 0 {
		h.flight = slices.Delete(h.flight, i, i+1)
	}
	if now := h.follower.Version("own"); now.Compare(before) < 0 || err != nil && now != before {
		h.t.Fatalf("from %s to %s: %v", before, now, err)
	}
}

// catchUp is what the reader of the follower does when it wakes.
func (h *history) catchUp() {
	list, now, reaches := h.follower.NamesSince(h.revision)
	if !reaches {
		h.t.Fatal("the journal is longer than this history")
	}
	for _, name := range list {
		h.read[name] = h.follower.Exports(name)
	}
	h.revision = now
}

func (h *history) step() {
	switch n := h.r.IntN(100); {
	case n < 30:
		h.owner.Set(h.anyWeb())
	case n < 40:
		h.owner.Withdraw(h.anyWeb().Name)
	case n < 43:
		h.announce()
	case n < 65:
		h.ask()
	case n < 90:
		h.deliver()
	case n < 98:
		h.catchUp()
	default:
		h.restart()
	}
	h.at[h.owner.Version("own")] = said(h.owner, "own")
	want := h.at[h.follower.Version("own")]
	if h.follower.Version("own").IsZero() {
		want = h.restored
	}
	if got := said(h.follower, "own"); !sameSay(got, want) {
		h.t.Fatalf("at %s the follower holds\n%v\nthe owner said\n%v", h.follower.Version("own"), got, want)
	}
}

// Promises 4 and 5: whatever is lost, late, repeated or restarted, the follower holds at each version
// just what the owner said at it, its version never goes back, and in the end it has everything; and so
// has who reads the follower at moments of its own choice.
func TestFollowerHoldsJustWhatTheOwnerSaid(t *testing.T) {
	r := random(t)
	for range 100 {
		h := newHistory(t, r)
		for range 400 {
			h.step()
		}
		if u := h.owner.Since("own", h.follower.Version("own")); u != nil {
			mustApply(t, h.follower, u)
		}
		if !sameSay(said(h.owner, "own"), said(h.follower, "own")) {
			t.Fatalf("in the end the follower holds\n%v\nthe owner said\n%v", said(h.follower, "own"), said(h.owner, "own"))
		}
		h.catchUp()
		for name, list := range h.read {
			if !slices.Equal(list, h.follower.Exports(name)) {
				t.Fatalf("the reader of %s has %v, the Store %v", name, list, h.follower.Exports(name))
			}
		}
		if missing := len(h.follower.NamesIn("shop")); missing > len(h.read) {
			t.Fatalf("the reader knows %d names, the Store %d", len(h.read), missing)
		}
	}
}
