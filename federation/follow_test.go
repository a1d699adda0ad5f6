package federation

import (
	"testing"
	"time"
)

// following returns a Store of "own" whose agent led in term 1, with these exports, and follows now.
func following(exports ...*Export) *Store {
	s := announced(exports...)
	s.Follow()
	return s
}

// Promise 3: this cluster has one speaker. Who follows him takes his word, and has none of his own.
func TestWhoFollowsTakesTheLeadersWordAndSaysNothing(t *testing.T) {
	s := following(web("own", "web"))
	if s.Leading() || s.Version("own") != (Version{1, 1}) || s.Export("own", named("web")) == nil {
		t.Fatalf("leading %t, at %s: want what was said to stay", s.Leading(), s.Version("own"))
	}
	changed := s.Changed()
	s.Set(web("own", "other"))
	s.Set(web("own", "web", "10.0.0.1"))
	s.Withdraw(named("web"))
	s.Renew(9)
	if woken(changed) || s.Version("own") != (Version{1, 1}) || s.Export("own", named("other")) != nil {
		t.Errorf("at %s, said %v: want no word of its own", s.Version("own"), said(s, "own"))
	}
	mustApply(t, s, whole(s, "own", Version{2, 1}, web("own", "theirs"), web("own", "web")))
	mustApply(t, s, step(s, "own", Version{2, 1}, Version{2, 2}, nil, named("web")))
	if s.Version("own") != (Version{2, 2}) || s.Export("own", named("theirs")) == nil || s.Export("own", named("web")) != nil {
		t.Errorf("at %s, said %v: want the leader's word", s.Version("own"), said(s, "own"))
	}
}

// A standby that starts has never led: it takes its leader's word, remembers nothing else, and passes it on.
func TestAStandbyStartsAsAFollower(t *testing.T) {
	leader, s := announced(web("own", "web")), NewStore("own")
	if s.Leading() || !leader.Leading() {
		t.Fatalf("leading %t, the leader %t", s.Leading(), leader.Leading())
	}
	s.Set(web("own", "mine"))
	s.Withdraw(named("mine"))
	s.Renew(3)
	if !s.Version("own").IsZero() || len(said(s, "own")) > 0 {
		t.Fatalf("it says %v at %s", said(s, "own"), s.Version("own"))
	}
	catchUp(t, leader, s, "own")
	if u := s.SeenBy(s.Self()).Against("own", nil); u == nil || len(u.Put) != 1 || u.To != (Version{1, 1}) {
		t.Errorf("passed on: %+v", u)
	}
}

// What a peer holds of us is the leader's matter: who follows is not contested, but outbids it when he leads.
func TestWhoFollowsIsNotContested(t *testing.T) {
	s := announced(web("own", "web"))
	_, wake := s.Contested()
	if s.Follow(); !woken(wake) {
		t.Error("nobody is woken who waits to begin another term")
	}
	if err := s.Contest(Version{50, 3}, time.UnixMilli(1_000_000)); err != nil {
		t.Fatal(err)
	}
	if rival, _ := s.Contested(); !rival.IsZero() {
		t.Errorf("contested by %s", rival)
	}
	s.Announce(s.LeastTerm(), []*Export{web("own", "web")})
	if rival, _ := s.Contested(); !rival.IsZero() || s.Version("own") != (Version{51, 1}) || !s.Leading() {
		t.Errorf("contested by %s at %s, leading %t", rival, s.Version("own"), s.Leading())
	}
}

// Who leads again is beyond all that it took from the former leader, says what it itself knows, and is
// believed by those who followed him.
func TestWhoLeadsAgainTakesAGreaterTerm(t *testing.T) {
	s, peer := following(web("own", "web")), NewStore("east")
	mustApply(t, s, whole(s, "own", Version{70, 9}, web("own", "theirs"), web("own", "web")))
	catchUp(t, s, peer, "own")
	s.Announce(71, []*Export{web("own", "web"), web("own", "new")})
	if !s.Leading() || s.Version("own") != (Version{71, 1}) || s.Export("own", named("theirs")) != nil {
		t.Errorf("leading %t at %s, said %v", s.Leading(), s.Version("own"), said(s, "own"))
	}
	refuse(t, s, whole(s, "own", Version{99, 1}), ErrOwnWord)
	catchUp(t, s, peer, "own")
	s.Set(web("own", "newer"))
	catchUp(t, s, peer, "own")
	if len(said(peer, "own")) != 3 {
		t.Errorf("the peer holds %v", said(peer, "own"))
	}
}

// A former leader of another version may have hashed our services otherwise: our term has our hashes.
func TestALeaderSaysItsOwnHashes(t *testing.T) {
	s := NewStore("own")
	mustApply(t, s, &Update{Owner: "own", To: Version{1, 1}, Digest: 42, Put: []Record{{web("own", "web"), 42}}})
	s.Announce(2, []*Export{web("own", "web")})
	if want := Sealed(web("own", "web")).Hash; s.Head("own").Digest != Digest(want) {
		t.Errorf("digest %x, want %x", s.Head("own").Digest, want)
	}
}
