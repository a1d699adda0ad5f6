package federation

import (
	"fmt"
	"testing"
)

// split cuts an update into parts, as who sends it does: n records in each but the last, which has the rest.
func split(u *Update, n int) (parts []*Update) {
	rest := *u
	for len(rest.Put) > n {
		parts = append(parts, &Update{Owner: u.Owner, From: u.From, To: u.To, More: true, Put: rest.Put[:n]})
		rest.Put = rest.Put[n:]
	}
	return append(parts, &rest)
}

// The records of a part count at once, the version and what is missing with the last: absence is not a fact
// before all is known.
func TestPartsCountAtOnceAndTheVersionWithTheLast(t *testing.T) {
	for what, to := range map[string]Version{"in the same term": {1, 9}, "in a new term": {2, 1}, "of the same version": {1, 5}} {
		s := announced()
		mustApply(t, s, whole(s, "east", Version{1, 5}, web("east", "a"), web("east", "goes")))
		u := whole(s, "east", to, web("east", "a", "10.0.0.1"), web("east", "b"), web("east", "c"))
		parts := split(u, 1)
		if len(parts) != 3 {
			t.Fatalf("%d parts", len(parts))
		}
		for i, part := range parts[:2] {
			changed, advanced := s.Changed(), s.Advanced("east")
			mustApply(t, s, part)
			if !woken(changed) || !woken(advanced) || !s.Export("east", part.Put[0].Name).Equal(part.Put[0].Export) {
				t.Errorf("%s: the records of part %d do not count", what, i)
			}
			if s.Version("east") != (Version{1, 5}) || s.Export("east", named("goes")) == nil {
				t.Errorf("%s: part %d brings it to %s, held %v", what, i, s.Version("east"), said(s, "east"))
			}
		}
		advanced, head := s.Advanced("east"), s.Head("east")
		mustApply(t, s, &Update{Owner: "east", To: to, More: true, Unread: []Unread{{Name: named("unread"), Hash: 7}}})
		if !woken(advanced) || s.Head("east") != (Head{head.Version, head.Digest + 7, head.Records + 1}) {
			t.Errorf("%s: an unread record does not count: %+v", what, s.Head("east"))
		}
		parts[2].Withdrawn = []ServiceName{named("unread")}
		mustApply(t, s, parts[2])
		if s.Head("east") != (Head{to, u.Digest, 3}) || s.Export("east", named("goes")) != nil {
			t.Errorf("%s: in the end %+v, held %v", what, s.Head("east"), said(s, "east"))
		}
	}
}

// A cluster is synced with the last part of its first set, and what is remembered stays until then.
func TestPartsOfTheFirstSetDoNotSync(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "goes")})
	parts := split(whole(s, "east", Version{1, 1}, web("east", "a"), web("east", "b")), 1)
	mustApply(t, s, parts[0])
	if len(s.Synced()) != 1 || s.Peers() != 0 || sayable(s, "east") || !s.Owners()[0].Restored || len(said(s, "east")) != 2 {
		t.Errorf("owners %+v, held %v", s.Owners(), said(s, "east"))
	}
	mustApply(t, s, parts[1])
	if len(s.Synced()) != 2 || s.Owners()[0].Restored || len(said(s, "east")) != 2 || s.Export("east", named("goes")) != nil {
		t.Errorf("owners %+v, held %v", s.Owners(), said(s, "east"))
	}
}

// A part that is wrong is refused as any update is; the digest is that of all parts, and counts at the last.
func TestPartsAreCheckedToo(t *testing.T) {
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 5}, web("east", "a")))
	new := sealed([]*Export{web("east", "b")})
	refuse(t, s, &Update{Owner: "east", To: Version{1, 4}, More: true, Put: new}, ErrOlder)
	refuse(t, s, &Update{Owner: "east", From: Version{1, 6}, To: Version{1, 7}, More: true, Put: new}, ErrGap)
	refuse(t, s, &Update{Owner: "east", To: Version{1, 6}, More: true, Put: sealed([]*Export{web("west", "b")})}, errOther)
	parts := split(whole(s, "east", Version{1, 6}, web("east", "a"), web("east", "b"), web("east", "c")), 1)
	refuse(t, s, parts[1], ErrGap) // the one before it is lost
	mustApply(t, s, parts[0])
	mustApply(t, s, parts[0])
	parts[1].Digest++
	refuse(t, s, parts[1], ErrGap)
	parts[1].Digest--
	mustApply(t, s, parts[1])
	refuse(t, s, &Update{Owner: "east", To: Version{1, 5}, More: true, Put: new}, ErrOlder)
}

// Who follows a Store into which parts come misses nothing, whenever it asks and wherever the parts break off.
func TestWhoFollowsBetweenPartsMissesNothing(t *testing.T) {
	for _, newTerm := range []bool{false, true} {
		for asks := range 8 { // whether the standby asks, as a bit for each of the parts
			for breaks := range 4 { // before which part the stream breaks; 0 is never
				t.Run(fmt.Sprintf("new term %t, asks %03b, breaks %d", newTerm, asks, breaks), func(t *testing.T) {
					followBetweenParts(t, newTerm, asks, breaks)
				})
			}
		}
	}
}

func followBetweenParts(t *testing.T, newTerm bool, asks, breaks int) {
	owner := owning("own", Version{1, 1}, web("own", "a"), big("own", "big", 20), web("own", "goes"), web("own", "stays"))
	leader, standby := NewStore("east"), NewStore("east")
	catchUp(t, owner, leader, "own")
	catchUp(t, leader, standby, "own")

	owner.Set(web("own", "a", "10.0.0.1"))
	owner.Set(edited(big("own", "big", 20), firstTerminating))
	owner.Withdraw(named("goes"))
	owner.Set(web("own", "b"))
	if newTerm {
		owner.Renew(2)
	}
	parts := split(owner.SeenBy(owner.Self()).Against("own", leader.Hashes("own")), 1)
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, part := range parts {
		if i+1 == breaks {
			owner.Set(web("own", "a", "10.0.0.2"))
			owner.Withdraw(named("b"))
			break
		}
		mustApply(t, leader, part)
		if asks&(1<<i) != 0 {
			catchUp(t, leader, standby, "own")
		}
	}
	if breaks > 0 {
		catchUp(t, owner, leader, "own")
	}
	catchUp(t, leader, standby, "own")
	if standby.Head("own") != owner.Head("own") || !sameSay(said(standby, "own"), said(owner, "own")) {
		t.Errorf("in the end the standby holds %+v\n%v\nthe owner says %+v\n%v", standby.Head("own"), said(standby, "own"), owner.Head("own"), said(owner, "own"))
	}
	owner.Set(web("own", "last"))
	catchUpBy(t, owner, leader, "own")
	catchUpBy(t, leader, standby, "own")
}

// Who is further behind gets, by the log, what came with all parts; the base of each patch is what he has.
func TestTheLogHoldsWhatPartsBrought(t *testing.T) {
	e := big("own", "big", 20)
	owner, leader := owning("own", Version{1, 1}, e, web("own", "a")), NewStore("east")
	standby, another := NewStore("east"), NewStore("east")
	catchUp(t, owner, leader, "own")
	catchUp(t, leader, standby, "own")
	owner.Set(edited(e, firstTerminating))
	catchUpBy(t, owner, leader, "own")
	catchUp(t, leader, another, "own")
	owner.Set(edited(e, func(e *Export) { e.Subsets[0].Endpoints[7].Zone = "z7" }))
	owner.Set(web("own", "a", "10.0.0.1"))
	for _, part := range split(owner.SeenBy(owner.Self()).Against("own", leader.Hashes("own")), 1) {
		mustApply(t, leader, part)
	}
	u, ask := leader.SeenBy(leader.Self()).Since("own", standby.Head("own"), true)
	if u == nil || ask || len(u.Patched) != 1 || u.Patched[0].EndpointCount() != 2 || len(u.Put) != 1 {
		t.Fatalf("%+v, ask %t: want a patch with both endpoints", u, ask)
	}
	catchUpBy(t, leader, standby, "own")
	catchUpBy(t, leader, another, "own")
}

// While there are parts of a new term the log of the former does not tell what is held.
func TestTheLogTellsNothingBetweenPartsOfANewTerm(t *testing.T) {
	owner, leader, standby := owning("own", Version{1, 1}, web("own", "a")), NewStore("east"), NewStore("east")
	catchUp(t, owner, leader, "own")
	catchUp(t, leader, standby, "own")
	owner.Set(web("own", "b"))
	catchUpBy(t, owner, leader, "own")
	owner.Announce(2, []*Export{web("own", "a", "10.0.0.1"), web("own", "b", "10.0.0.1")})
	parts := split(owner.SeenBy(owner.Self()).Against("own", leader.Hashes("own")), 1)
	mustApply(t, leader, parts[0])
	if u, ask := leader.SeenBy(leader.Self()).Since("own", standby.Head("own"), true); u != nil || !ask {
		t.Errorf("%+v, ask %t: want to be asked", u, ask)
	}
	catchUp(t, leader, standby, "own")
	mustApply(t, leader, parts[1])
	catchUp(t, leader, standby, "own")
}
