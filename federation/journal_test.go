package federation

import (
	"slices"
	"testing"
	"time"
)

// Each name is told once, the newest change first, and only what came after.
func TestJournalTellsEachNameOnce(t *testing.T) {
	var j journal
	for i, n := range []string{"a", "b", "a", "c"} {
		j.add(uint64(i+1), named(n), time.Time{})
	}
	for since, want := range [][]ServiceName{
		{named("c"), named("a"), named("b")}, {named("c"), named("a"), named("b")}, {named("c"), named("a")}, {named("c")}, nil,
	} {
		if got, ok := j.since(uint64(since)); !ok || !slices.Equal(got, want) {
			t.Errorf("since %d: %v, %t, want %v", since, got, ok, want)
		}
	}
}

// The journal never holds more than its length, and knows from where on it is complete, also when one
// seq has many names and the cut falls between them.
func TestJournalIsBoundedAndKnowsItsStart(t *testing.T) {
	for _, perSeq := range []int{1, 3, journalLength} {
		var j journal
		list := names(perSeq)
		for seq := range uint64(3*journalLength/perSeq + 1) {
			for _, n := range list {
				j.add(seq+1, n, time.Time{})
			}
			if len(j.entries) > journalLength {
				t.Fatalf("%d entries", len(j.entries))
			}
			for _, back := range []uint64{0, 1, 2, 10} {
				if seq+1 < back {
					continue
				}
				got, ok := j.since(seq + 1 - back)
				if ok && back > 0 && len(got) != perSeq {
					t.Fatalf("%d names per seq: since %d of %d: %d names", perSeq, seq+1-back, seq+1, len(got))
				}
				if !ok && int(back)*perSeq < journalLength/2 {
					t.Fatalf("%d names per seq: %d seqs back is forgotten", perSeq, back)
				}
			}
		}
	}
}

// A reader that is further behind than the journal is told all names, and that what it knows beyond
// them is gone.
func TestReaderBeyondTheJournalGetsAllNames(t *testing.T) {
	s := announced(web("own", "goes"))
	_, revision, _ := s.NamesSince(0)
	s.Withdraw(named("goes"))
	for i := range journalLength + 1 {
		s.Set(web("own", []string{"a", "b"}[i/2%2], []string{"10.0.0.1", "10.0.0.2"}[i%2]))
	}
	list, now, reaches := s.NamesSince(revision)
	slices.SortFunc(list, ServiceName.Compare)
	if reaches || !slices.Equal(list, []ServiceName{named("a"), named("b")}) {
		t.Errorf("reaches %t, names %v", reaches, list)
	}
	if again, _, reaches := s.NamesSince(now); len(again) != 0 || !reaches {
		t.Errorf("caught up, but told %v, reaches %t", again, reaches)
	}
}

// Who was last here at a revision learns when the first change since was made, as far back as is remembered. What
// changes nothing has no time.
func TestTheFirstChangeSinceHasATime(t *testing.T) {
	s := NewStore("own")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	start := now
	s.clock = func() time.Time { return now }
	s.Announce(1, nil)
	if at := s.ChangedSince(0); !at.IsZero() {
		t.Errorf("nothing is exported, but it changed at %s", at)
	}
	for i := range journalLength {
		now = start.Add(time.Duration(i) * time.Second)
		s.Set(web("own", "web", []string{"10.0.0.1", "10.0.0.2"}[i%2]))
		s.Heard("west", now)
	}
	for _, revision := range []uint64{0, 1, 5, journalLength - 1} {
		if at := s.ChangedSince(revision); !at.Equal(start.Add(time.Duration(revision) * time.Second)) {
			t.Errorf("since %d: %s", revision, at)
		}
	}
	if at := s.ChangedSince(journalLength); !at.IsZero() {
		t.Errorf("since now: %s", at)
	}
	s.Withdraw(named("web"))
	if at := s.ChangedSince(0); !at.Equal(start.Add(journalLength / 2 * time.Second)) {
		t.Errorf("since what is forgotten: %s", at)
	}
}
