package federation

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// link plays the stream between two Stores, as bad as it can be: updates of "own" are lost, late, repeated, made for
// somebody else, and cut into parts of which some never come.
type link struct {
	t        *testing.T
	r        *rand.Rand
	from, to *Store
	was      map[Head]map[ServiceName]*Export // what from held, and what to remembered
	told     [][]Hash                         // what to held when it was asked
	flight   []*Update                        // made, and not applied yet
	partly   bool                             // to holds records of a version that is not complete
	seen     map[string]int                   // what happened, how often
}

func newLink(t *testing.T, r *rand.Rand, from, to *Store, seen map[string]int) *link {
	return &link{t: t, r: r, from: from, to: to, was: map[Head]map[ServiceName]*Export{{}: {}}, seen: seen}
}

// note remembers what the sender holds. A head stands for one set.
func (l *link) note() {
	head, set := l.from.SeenBy(l.to.Self()).Head("own"), visible(l.from, "own", l.to.Self())
	if before, known := l.was[head]; known && !sameSay(before, set) {
		l.t.Fatalf("head %+v stands for\n%v\nand for\n%v", head, before, set)
	}
	l.was[head] = set
}

// ask takes an update for the receiver, or for a position that it never had or lost.
func (l *link) ask() {
	has := l.to.Head("own")
	switch l.r.IntN(8) {
	case 0:
		has = Head{}
	case 1:
		has = l.anyHead()
	}
	u, ask := l.from.SeenBy(l.to.Self()).Since("own", has, true)
	if ask {
		l.seen["asked"]++
		l.told = append(l.told, l.to.Hashes("own"))
		hashes := l.told[len(l.told)-1]
		if l.r.IntN(6) == 0 {
			hashes = l.told[l.r.IntN(len(l.told))]
		}
		u = l.from.SeenBy(l.to.Self()).Against("own", hashes)
	}
	if u == nil {
		return
	}
	l.count(u)
	parts := []*Update{u}
	if n := len(u.Put); n > 1 && l.r.IntN(2) == 0 {
		l.seen["in parts"]++
		parts = split(u, 1+l.r.IntN(n-1))
	}
	l.flight = append(l.flight, parts...)
}

func (l *link) anyHead() Head {
	for head := range l.was {
		return head
	}
	return Head{}
}

func (l *link) count(u *Update) {
	for what, yes := range map[string]bool{
		"increment": !u.relative(), "relative": u.relative(), "empty": u.relative() && len(u.Put)+len(u.Stale) == 0,
		"patched": len(u.Patched) > 0, "tailored": u.Tailored && !u.relative(), "silent": !u.relative() && len(u.Put)+len(u.Patched)+len(u.Withdrawn) == 0, "withdrawn": len(u.Withdrawn) > 0, "stale": len(u.Stale) > 0,
	} {
		if yes {
			l.seen[what]++
		}
	}
}

// deliver applies one update in flight: often the first, maybe again later.
func (l *link) deliver() {
	if len(l.flight) == 0 {
		return
	}
	i := 0
	if l.r.IntN(3) == 0 {
		i = l.r.IntN(len(l.flight))
	}
	u, before := l.flight[i], l.to.Head("own")
	refused, err := l.to.Apply(u)
	now := l.to.Head("own")
	switch {
	case is(err, errOther), is(err, ErrOwnWord), len(refused) > 0:
		l.t.Fatalf("error %v, refused %v", err, refused)
	case err != nil && now != before, u.More && now.Version != before.Version, now.Version.Compare(before.Version) < 0:
		l.t.Fatalf("from %+v to %+v: %v", before, now, err)
	case err == nil && !u.More && (now.Version != u.To || now.Digest != u.Digest):
		l.t.Fatalf("at %+v after an update to %s with digest %x", now, u.To, u.Digest)
	case is(err, ErrGap):
		l.seen["a gap"]++
	case err != nil:
		l.seen["older"]++
	case u.More:
		l.partly = l.partly || now != before
	default:
		l.partly = false
	}
	if l.r.IntN(4) > 0 {
		l.flight = slices.Delete(l.flight, i, i+1)
	}
}

// restart makes the receiver forget all but what it may remember of one moment of the past.
func (l *link) restart() {
	l.to, l.partly = NewStore("east"), false
	if past := l.was[l.anyHead()]; l.r.IntN(2) == 0 {
		l.to.Restore("own", slices.Collect(maps.Values(past)))
		l.was[l.to.Head("own")] = past
		l.seen["remembered"]++
	}
}

// check compares what the receiver holds with what the sender held at the same head.
func (l *link) check() {
	if l.partly {
		l.seen["partly"]++
		return
	}
	head, got := l.to.Head("own"), said(l.to, "own")
	if want, known := l.was[head]; !known || !sameSay(got, want) {
		l.t.Fatalf("at %+v, known %t, the receiver holds\n%v\nthe sender held\n%v", head, known, got, want)
	}
}
