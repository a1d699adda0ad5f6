package federation

import (
	"testing"
	"time"
)

// Peers that hold a greater term of ours, as after our state was restored from a backup, would refuse all
// that we say: we take a greater one.
func TestAGreaterTermElsewhereIsOutbid(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	t.Run("while speaking", func(t *testing.T) {
		s := NewStore("east")
		s.Announce(1_000_000, []*Export{web("east", "web")})
		changed := s.Changed()
		if err := s.Outbid(2_000_000, now); err != nil {
			t.Fatal(err)
		}
		if v := s.Version("east"); v != (Version{2_000_001, 1}) || !woken(changed) || s.Exports(named("web")) == nil {
			t.Errorf("version %s", v)
		}
	})
	t.Run("before the first word", func(t *testing.T) {
		s := NewStore("east")
		if err := s.Outbid(2_000_000, now); err != nil || !s.Version("east").IsZero() {
			t.Fatalf("error %v, version %s", err, s.Version("east"))
		}
		s.Announce(1_000_000, nil)
		if v := s.Version("east"); v != (Version{2_000_001, 1}) {
			t.Errorf("version %s", v)
		}
	})
	t.Run("a lower one changes nothing", func(t *testing.T) {
		s := NewStore("east")
		s.Announce(1_000_000, nil)
		if err := s.Outbid(999_999, now); err != nil || s.Version("east") != (Version{1_000_000, 1}) {
			t.Errorf("error %v, version %s", err, s.Version("east"))
		}
	})
	t.Run("more than a day ahead of the clock it is a lie", func(t *testing.T) {
		s := NewStore("east")
		s.Announce(1_000_000, nil)
		day := uint64((24 * time.Hour).Milliseconds())
		if err := s.Outbid(1_000_000+day, now); err != nil {
			t.Errorf("a day ahead: %v", err)
		}
		if err := s.Outbid(1_000_001+day, now); err == nil || s.Version("east").Term != 1_000_001+day {
			t.Errorf("beyond a day ahead: error %v, version %s", err, s.Version("east"))
		}
	})
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
