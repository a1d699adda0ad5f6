package federation

import (
	"testing"
	"time"
)

// beats returns a pulse of a cluster that was met at 0 and heard each second in these spans of seconds.
func beats(start time.Time, spans ...[2]int) Pulse {
	p := Pulse{met: start}
	for _, s := range spans {
		for at := s[0]; at <= s[1]; at++ {
			p = p.Hear(start.Add(time.Duration(at) * time.Second))
		}
	}
	return p
}

func TestFateOfACluster(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	usual := DefaultPatience
	for _, c := range []struct {
		about    string
		pulse    Pulse
		at       float64 // seconds
		patience Patience
		want     Fate
		until    float64 // seconds; 0 for never
	}{
		{"heard", beats(start, [2]int{0, 10}), 10.5, usual, Served, 40},
		{"silent for less than is demoted", beats(start, [2]int{0, 10}), 39.9, usual, Served, 40},
		{"silent for as long", beats(start, [2]int{0, 10}), 40, usual, Demoted, 610},
		{"silent for less than is withdrawn", beats(start, [2]int{0, 10}), 609, usual, Demoted, 610},
		{"withdrawn", beats(start, [2]int{0, 10}), 610, usual, Withdrawn, 0},
		{"never withdrawn", beats(start, [2]int{0, 10}), 1e6, Patience{30 * time.Second, 0}, Demoted, 0},
		{"never heard, counted from when it was met", beats(start), 29, usual, Served, 30},
		{"never heard, demoted", beats(start), 30, usual, Demoted, 600},
		{"never heard, withdrawn", beats(start), 600, usual, Withdrawn, 0},
		{"demoted as soon as it is unreachable", beats(start, [2]int{0, 10}), 13, Patience{0, time.Minute}, Demoted, 70},
		{"no sooner", beats(start, [2]int{0, 10}), 12.9, Patience{0, time.Minute}, Served, 13},
		{"withdrawn before it is demoted", beats(start, [2]int{0, 10}), 20, Patience{time.Minute, 10 * time.Second}, Withdrawn, 0},
		{"heard again", beats(start, [2]int{0, 10}, [2]int{700, 700}), 700, usual, Served, 703},
		{"two changes", beats(start, [2]int{0, 10}, [2]int{20, 20}), 21, usual, Served, 23},
		{"the third change", beats(start, [2]int{0, 10}, [2]int{20, 20}), 23, usual, Demoted, 50},
		{"three changes, heard again", beats(start, [2]int{0, 10}, [2]int{20, 20}, [2]int{30, 40}), 40, usual, Demoted, 43},
		{"three changes, heard for a minute", beats(start, [2]int{0, 10}, [2]int{20, 20}, [2]int{30, 90}), 90, usual, Served, 93},
		{"three changes in more than five minutes", beats(start, [2]int{0, 10}, [2]int{20, 340}), 343, usual, Served, 370},
		{"hiccups of less than a silence", beats(start, [2]int{0, 0}, [2]int{2, 2}, [2]int{4, 4}, [2]int{6, 6}), 7, usual, Served, 36},
	} {
		now := start.Add(time.Duration(c.at * float64(time.Second)))
		fate, until := Overdue(c.pulse, now, c.patience)
		var seconds float64
		if !until.IsZero() {
			seconds = until.Sub(start).Seconds()
		}
		if fate != c.want || seconds != c.until {
			t.Errorf("%s: %s until %g, want %s until %g", c.about, fate, seconds, c.want, c.until)
		}
	}
}

// Between two moments that Overdue names nothing changes by the time alone.
// A cluster is unsteady from its third change within five minutes on, until it was heard for a minute; that it is silent
// for long does not make it so.
func TestWhoComesAndGoesTooOftenIsUnsteady(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	twice := [][2]int{{0, 10}, {20, 30}}
	for _, c := range []struct {
		about string
		pulse Pulse
		at    int
		want  bool
	}{
		{"heard", beats(start, [2]int{0, 10}), 10, false},
		{"silent for an hour", beats(start, [2]int{0, 10}), 3610, false},
		{"back once", beats(start, twice...), 30, false},
		{"silent again", beats(start, twice...), 33, true},
		{"back again", beats(start, append(twice, [2]int{40, 99})...), 99, true},
		{"heard for a minute", beats(start, append(twice, [2]int{40, 100})...), 100, false},
		{"silent again after five minutes", beats(start, [2]int{0, 10}, [2]int{20, 400}), 403, false},
	} {
		if got := c.pulse.Unsteady(start.Add(time.Duration(c.at) * time.Second)); got != c.want {
			t.Errorf("%s: unsteady %t", c.about, got)
		}
	}
}

func TestOverdueNamesEveryChange(t *testing.T) {
	r := random(t)
	start := time.Unix(1_000_000, 0)
	for range 2000 {
		p, at := Pulse{met: start}, 0
		for range r.IntN(12) {
			at += 1 + r.IntN([]int{2, 5, 100, 400}[r.IntN(4)])
			p = p.Hear(start.Add(time.Duration(at) * time.Second))
		}
		patience := Patience{time.Duration(r.IntN(60)) * time.Second, time.Duration(r.IntN(3)*r.IntN(200)) * time.Second}
		now := start.Add(time.Duration(at) * time.Second)
		fate, until := Overdue(p, now, patience)
		for range 800 {
			now = now.Add(500 * time.Millisecond)
			next, then := Overdue(p, now, patience)
			if next != fate && (until.IsZero() || now.Before(until)) {
				t.Fatalf("%+v, %+v: %s became %s before %s", p, patience, fate, next, until)
			}
			if !until.IsZero() && !now.Before(until) || next != fate {
				fate, until = next, then
			}
		}
	}
}

// Who cannot renew its Lease hears its streams all the same, and who asks for more time before demotion gets it.
func TestAFrozenLeaderHears(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	s := NewStore("own")
	s.KeepTime(func() time.Time { return now })
	s.Announce(1, nil)
	s.Heard("east", now)
	s.Follow()
	for range 60 {
		now = now.Add(time.Second)
		s.Awake(now)
	}
	if fate, _ := Overdue(s.Pulse("east"), s.HearingUntil(now), DefaultPatience); fate != Demoted {
		t.Errorf("east was silent for a minute and is %s", fate)
	}
	patient := DefaultPatience.With(Quiet{Demote: Delay{Given: true, After: time.Hour}})
	if patient != (Patience{time.Hour, time.Hour}) {
		t.Errorf("%+v", patient)
	}
}

// Who could not listen blames nobody.
func TestADeafTimeDoesNotCount(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	p := beats(start, [2]int{0, 10}).Excuse(time.Hour, start.Add(2*time.Hour))
	if fate, _ := Overdue(p, start.Add(time.Hour+39*time.Second), DefaultPatience); fate != Served {
		t.Errorf("after 29 seconds of silence: %s", fate)
	}
	if fate, _ := Overdue(p, start.Add(time.Hour+40*time.Second), DefaultPatience); fate != Demoted {
		t.Errorf("after 30 seconds of silence: %s", fate)
	}
}

// A moment is never moved beyond now.
func TestNobodyIsExcusedBeyondNow(t *testing.T) {
	start := time.Unix(1_000_000, 0)
	now := start.Add(time.Minute)
	p := beats(start, [2]int{0, 10}).Excuse(time.Hour, now)
	if p.Heard() != start.Add(10*time.Second) || !p.Alive(now) || p.Alive(now.Add(Silence)) {
		t.Errorf("%+v", p)
	}
}

// Who follows a leader hears nobody while it is silent: no cluster falls silent by that.
func TestASilentLeaderIsNobodyElsesFault(t *testing.T) {
	s := NewStore("own")
	now := time.Now()
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	for _, beat := range []int{0, 1, 2, 20, 21, 40, 41, 60} { // three takeovers
		s.Heard("own", at(beat))
		s.Heard("west", at(beat))
		s.Heard("dead", at(0))
		if fate, _ := Overdue(s.Pulse("west"), at(beat), DefaultPatience); fate != Served {
			t.Fatalf("at %d west is %s: %+v", beat, fate, s.Pulse("west"))
		}
	}
	if fate, _ := Overdue(s.Pulse("dead"), at(120), DefaultPatience); fate != Demoted {
		t.Errorf("a cluster that was dead all the time is %s: %+v", fate, s.Pulse("dead"))
	}
}

// Who leads itself hears all who speak: a silence of all is theirs.
func TestASilenceOfAllCountsForALeader(t *testing.T) {
	s := NewStore("own")
	s.KeepTime(func() time.Time { return time.Unix(1_000_000, 0) })
	s.Announce(1, nil)
	now := time.Unix(1_000_000, 0)
	s.Heard("west", now)
	s.Heard("north", now)
	for second := range 3600 {
		s.Awake(now.Add(time.Duration(second) * time.Second))
	}
	s.Heard("north", now.Add(time.Hour))
	if fate, _ := Overdue(s.Pulse("west"), now.Add(time.Hour), DefaultPatience); fate != Withdrawn {
		t.Errorf("west is %s", fate)
	}
}

// Who leads and was stopped, as by SIGSTOP, blames nobody, whoever is heard first or how often that was.
func TestAStopOfALeaderIsNobodyElsesFault(t *testing.T) {
	s := NewStore("own")
	now := time.Unix(1_000_000, 0)
	s.KeepTime(func() time.Time { return now })
	s.Announce(1, nil)
	s.Heard("dead", now)
	for stop := range 4 {
		for range 5 {
			now = now.Add(time.Second)
			s.Awake(now)
			s.Heard("west", now)
		}
		now = now.Add(time.Duration(10+stop) * time.Second)
		if stop%2 == 0 {
			s.Awake(now)
		}
		s.Heard("west", now)
		if fate, _ := Overdue(s.Pulse("west"), now, DefaultPatience); fate != Served {
			t.Fatalf("after stop %d west is %s: %+v", stop, fate, s.Pulse("west"))
		}
	}
	for range 30 {
		now = now.Add(time.Second)
		s.Awake(now)
	}
	if fate, _ := Overdue(s.Pulse("dead"), now, DefaultPatience); fate != Demoted {
		t.Errorf("a cluster that was dead all the time is %s", fate)
	}
}

func TestRevivedWakesAfterASilenceAlone(t *testing.T) {
	s := NewStore("own")
	now := time.Now()
	first := s.Revived()
	s.Heard("west", now)
	second := s.Revived()
	s.Heard("west", now.Add(time.Second))
	s.Heard("west", now.Add(-time.Hour))
	if !woken(first) || woken(second) || s.Pulse("west").Heard() != now.Add(time.Second) {
		t.Errorf("woken %t, %t; heard %s", woken(first), woken(second), s.Pulse("west").Heard())
	}
	if s.Heard("west", now.Add(time.Second+Silence)); !woken(second) {
		t.Error("nobody is woken when a cluster is heard after a silence")
	}
}

// Who follows, and hears its leader no more, judges nobody by the time that passes.
func TestSilenceCountsWhileOneCanHear(t *testing.T) {
	s := NewStore("own")
	now := time.Unix(1_000_000, 0)
	if got := s.HearingUntil(now); !got.Equal(now) {
		t.Errorf("before anything was heard: until %s", got)
	}
	s.Heard("own", now)
	s.Heard("west", now)
	for _, c := range []struct{ after, want time.Duration }{{2 * time.Second, 2 * time.Second}, {Silence, 0}, {time.Hour, 0}} {
		s.Awake(now.Add(c.after))
		if got := s.HearingUntil(now.Add(c.after)).Sub(now); got != c.want {
			t.Errorf("%s later: until %s", c.after, got)
		}
	}
	s.Heard("own", now.Add(time.Hour))
	if got := s.HearingUntil(now.Add(time.Hour)).Sub(now); got != time.Hour {
		t.Errorf("heard again: until %s", got)
	}
}
