package federation

import (
	"slices"
	"testing"
	"time"
)

// A peer that holds a greater term of ours, as after our state was restored from a backup, would refuse
// all that we say: the leader is told, once for each term, and the term that it takes next is greater.
func TestAGreaterTermElsewhereIsOutbid(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := NewStore("east")
	s.Announce(1_000_000, []*Export{web("east", "web")})
	_, wake := s.Contested()
	if err := s.Contest(Version{999_999, 7}, now); err != nil {
		t.Fatal(err)
	}
	if rival, _ := s.Contested(); !rival.IsZero() {
		t.Error("contested by a lower term")
	}
	if err := s.Contest(Version{2_000_000, 7}, now); err != nil || !woken(wake) {
		t.Fatalf("error %v, woken %t", err, woken(wake))
	}
	rival, wake := s.Contested()
	if rival != (Version{2_000_000, 7}) || s.Version("east") != (Version{1_000_000, 1}) {
		t.Errorf("contested by %s, version %s", rival, s.Version("east"))
	}
	for range 1000 { // whoever repeats himself wakes nobody
		_ = s.Contest(Version{2_000_000, 7}, now)
	}
	if woken(wake) {
		t.Error("woken by a term that was known")
	}
	if s.Renew(2_000_000) {
		t.Error("a term that a peer holds was taken")
	}
	s.Renew(s.LeastTerm())
	if v := s.Version("east"); v != (Version{2_000_001, 1}) || s.Export("east", named("web")) == nil {
		t.Errorf("version %s", v)
	}
	if rival, _ := s.Contested(); !rival.IsZero() {
		t.Error("still contested")
	}
}

func TestAGreaterTermIsOutbidByTheFirstWord(t *testing.T) {
	s := NewStore("east")
	if err := s.Contest(Version{2_000_000, 7}, time.UnixMilli(1_000_000)); err != nil || !s.Version("east").IsZero() {
		t.Fatalf("error %v, version %s", err, s.Version("east"))
	}
	if s.Announce(2_000_000, nil) || s.Leading() || !s.Announce(2_000_001, nil) {
		t.Error("want a term beyond the one that a peer holds, and no other")
	}
	if v := s.Version("east"); v != (Version{2_000_001, 1}) {
		t.Errorf("version %s", v)
	}
}

func TestATermMoreThanADayAheadIsRefused(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := NewStore("east")
	s.Announce(1_000_000, nil)
	if err := s.Contest(Version{MaxTerm(now), 7}, now); err != nil {
		t.Errorf("a day ahead: %v", err)
	}
	if err := s.Contest(Version{MaxTerm(now) + 1, 7}, now); err == nil {
		t.Error("beyond a day ahead: no error")
	}
	if s.Renew(s.LeastTerm()); s.Version("east").Term != MaxTerm(now)+1 {
		t.Errorf("version %s", s.Version("east"))
	}
}

// The next term is beyond what this cluster said, what its former leader said and what a peer holds.
func TestTheLeastTermIsBeyondAllThatIsKnown(t *testing.T) {
	s := NewStore("own")
	least := []uint64{s.LeastTerm()}
	mustApply(t, s, whole(s, "own", Version{40, 2}, web("own", "web")))
	least = append(least, s.LeastTerm())
	if err := s.Contest(Version{70, 1}, time.UnixMilli(1000)); err != nil {
		t.Fatal(err)
	}
	least = append(least, s.LeastTerm())
	s.Announce(s.LeastTerm(), nil)
	if least = append(least, s.LeastTerm()); !slices.Equal(least, []uint64{1, 41, 71, 72}) || s.Version("own").Term != 71 {
		t.Errorf("%d, at %s", least, s.Version("own"))
	}
}

// A new term of this process never falls below the one before.
func TestATermNeverGoesBack(t *testing.T) {
	s := NewStore("east")
	if !s.Announce(50, nil) || s.Announce(50, nil) || s.Announce(7, nil) || s.Renew(50) || s.Renew(7) {
		t.Error("want a new term each time")
	}
	if v := s.Version("east"); v != (Version{50, 1}) {
		t.Errorf("version %s, want 50.1", v)
	}
}

// A peer that holds more of the term that we speak in would refuse all that we say, too, until we say more.
func TestAGreaterSeqElsewhereContests(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := announced(web("own", "web"))
	_, wake := s.Contested()
	if err := s.Contest(Version{1, 2}, now); err != nil || !woken(wake) {
		t.Fatalf("error %v, woken %t", err, woken(wake))
	}
	if rival, _ := s.Contested(); rival != (Version{1, 2}) {
		t.Errorf("contested by %s, want 1.2", rival)
	}
	s.Set(web("own", "web", "10.0.0.1"))
	if rival, _ := s.Contested(); !rival.IsZero() {
		t.Errorf("contested by %s at %s", rival, s.Version("own"))
	}
	if s.Renew(s.LeastTerm()); s.Version("own") != (Version{2, 1}) {
		t.Errorf("version %s, want 2.1", s.Version("own"))
	}
}
