package federation

import (
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
	if err := s.Contest(999_999, now); err != nil {
		t.Fatal(err)
	}
	if contested, _ := s.Contested(); contested {
		t.Error("contested by a lower term")
	}
	if err := s.Contest(2_000_000, now); err != nil || !woken(wake) {
		t.Fatalf("error %v, woken %t", err, woken(wake))
	}
	contested, wake := s.Contested()
	if !contested || s.Version("east") != (Version{1_000_000, 1}) {
		t.Errorf("contested %t, version %s", contested, s.Version("east"))
	}
	for range 1000 { // whoever repeats himself wakes nobody
		_ = s.Contest(2_000_000, now)
	}
	if woken(wake) {
		t.Error("woken by a term that was known")
	}
	s.Renew(NextTerm(0, now))
	if v := s.Version("east"); v != (Version{2_000_001, 1}) || s.Export("east", named("web")) == nil {
		t.Errorf("version %s", v)
	}
	if contested, _ := s.Contested(); contested {
		t.Error("still contested")
	}
}

func TestAGreaterTermIsOutbidByTheFirstWord(t *testing.T) {
	s := NewStore("east")
	if err := s.Contest(2_000_000, time.UnixMilli(1_000_000)); err != nil || !s.Version("east").IsZero() {
		t.Fatalf("error %v, version %s", err, s.Version("east"))
	}
	s.Announce(1_000_000, nil)
	if v := s.Version("east"); v != (Version{2_000_001, 1}) {
		t.Errorf("version %s", v)
	}
}

func TestATermMoreThanADayAheadIsRefused(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	s := NewStore("east")
	s.Announce(1_000_000, nil)
	if err := s.Contest(MaxTerm(now), now); err != nil {
		t.Errorf("a day ahead: %v", err)
	}
	if err := s.Contest(MaxTerm(now)+1, now); err == nil {
		t.Error("beyond a day ahead: no error")
	}
	if s.Renew(0); s.Version("east").Term != MaxTerm(now)+1 {
		t.Errorf("version %s", s.Version("east"))
	}
}

// A new term of this process never falls below the one before.
func TestATermNeverGoesBack(t *testing.T) {
	s := NewStore("east")
	s.Announce(50, nil)
	s.Announce(50, nil)
	s.Announce(7, nil)
	if v := s.Version("east"); v != (Version{52, 1}) {
		t.Errorf("version %s, want 52.1", v)
	}
}
