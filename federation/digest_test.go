package federation

import (
	"maps"
	"slices"
	"testing"
)

// Whatever way led to a set, its digest is the sum of its records' hashes.
func TestDigestIsTheSumOfTheHashes(t *testing.T) {
	r := random(t)
	s := announced()
	for range 500 {
		name := names(8)[r.IntN(8)].Name
		switch r.IntN(10) {
		case 0:
			s.Announce(0, slices.Collect(maps.Values(said(s, "own"))))
		case 1, 2, 3:
			s.Withdraw(named(name))
		default:
			s.Set(web("own", name, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}[:r.IntN(4)]...))
		}
		if set := said(s, "own"); s.Head("own") != (Head{s.Version("own"), sum(set), len(set)}) {
			t.Fatalf("head %+v, want digest %x of %d records", s.Head("own"), sum(set), len(set))
		}
	}
}

// Equal sets have equal digests, of whatever owner and in whatever order; sets that differ do not.
func TestEqualSetsHaveEqualDigests(t *testing.T) {
	a, b, c := NewStore("own"), NewStore("own"), NewStore("own")
	a.Announce(1, []*Export{web("own", "web"), web("own", "api")})
	b.Announce(7, nil)
	for _, e := range []*Export{web("own", "api", "10.0.0.1"), web("own", "gone"), web("own", "web"), web("own", "api")} {
		b.Set(e)
	}
	b.Withdraw(named("gone"))
	c.Announce(1, []*Export{web("own", "web"), web("own", "api", "10.0.0.1")})
	if a.Head("own").Digest != b.Head("own").Digest || a.Head("own").Digest == c.Head("own").Digest {
		t.Errorf("digests %x, %x and %x: want only the first two equal", a.Head("own").Digest, b.Head("own").Digest, c.Head("own").Digest)
	}
	b.Withdraw(named("web"))
	b.Withdraw(named("api"))
	if b.Head("own") != (Head{Version: b.Version("own")}) || (NewStore("x").Head("own") != Head{}) {
		t.Errorf("the empty set: %+v", b.Head("own"))
	}
}

// An update that leads elsewhere than its owner says was made for somebody who holds something else.
func TestAnUpdateThatLeadsToAnotherDigestIsRefused(t *testing.T) {
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "web"), web("east", "api")))
	for what, u := range map[string]*Update{
		"an increment":  step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{web("east", "new")}),
		"a withdrawal":  step(s, "east", Version{1, 1}, Version{1, 2}, nil, named("web")),
		"relative":      whole(s, "east", Version{1, 2}, web("east", "web")),
		"empty":         {Owner: "east", To: Version{2, 1}, Digest: s.Head("east").Digest},
		"nothing new":   {Owner: "east", From: Version{1, 1}, To: Version{1, 2}, Digest: s.Head("east").Digest},
		"same version":  whole(s, "east", Version{1, 1}, web("east", "web"), web("east", "api", "10.0.0.1")),
		"unread":        {Owner: "east", To: Version{1, 2}, Digest: s.Head("east").Digest + 7, Unread: []Unread{{Name: named("x"), Hash: 7}}},
		"unread former": {Owner: "east", To: Version{1, 2}, Digest: s.Head("east").Digest + 7 - Digest(Sealed(web("east", "web")).Hash), Unread: []Unread{{Name: named("web"), Hash: 7}}},
	} {
		t.Run(what, func(t *testing.T) {
			right := u.Digest
			u.Digest++
			refuse(t, s, u, ErrGap)
			u.Digest = right
			follower := NewStore("own")
			mustApply(t, follower, s.SeenBy(s.Self()).Against("east", nil))
			mustApply(t, follower, u)
		})
	}
}

// Equal versions with other digests: someone spoke with our name, or a fault of ours. Hashes repair it.
func TestEqualVersionsWithOtherDigestsAreRepaired(t *testing.T) {
	owner, follower := announced(web("own", "web"), web("own", "lost"), web("own", "same")), NewStore("east")
	mustApply(t, follower, whole(follower, "own", Version{1, 1}, web("own", "web", "10.6.6.6"), web("own", "false"), web("own", "same")))
	kept := follower.Export("own", named("same"))
	changed := follower.Changed()
	u, ask := owner.SeenBy(owner.Self()).Since("own", follower.Head("own"), true)
	if u != nil || !ask {
		t.Fatalf("update %+v, ask %t: want to be asked", u, ask)
	}
	u = owner.SeenBy(owner.Self()).Against("own", follower.Hashes("own"))
	if len(u.Put) != 2 || len(u.Stale) != 2 || u.To != (Version{1, 1}) {
		t.Errorf("%+v: want what differs", u)
	}
	mustApply(t, follower, u)
	if !woken(changed) || follower.Head("own") != owner.Head("own") || !sameSay(said(owner, "own"), said(follower, "own")) {
		t.Errorf("repaired to %+v: %v", follower.Head("own"), said(follower, "own"))
	}
	if follower.Export("own", kept.Name) != kept {
		t.Error("what was right was replaced")
	}
}
