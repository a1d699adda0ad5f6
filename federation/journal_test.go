package federation

import (
	"slices"
	"testing"
)

// Each name is told once, the newest change first, and only what came after.
func TestJournalTellsEachNameOnce(t *testing.T) {
	var j journal
	for i, n := range []string{"a", "b", "a", "c"} {
		j.add(uint64(i+1), named(n))
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
				j.add(seq+1, n)
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

// A follower that is further behind than the journal gets the whole set, and it is right.
func TestFollowerBeyondTheJournalGetsTheWholeSet(t *testing.T) {
	owner, follower := announced(web("own", "goes"), web("own", "stays")), NewStore("east")
	mustApply(t, follower, owner.Since("own", Version{}))
	behind := follower.Version("own")
	owner.Withdraw(named("goes"))
	for i := range journalLength {
		owner.Set(web("own", "web", []string{"10.0.0.1", "10.0.0.2"}[i%2]))
		if i == journalLength/2 && owner.Since("own", behind).Whole() {
			t.Fatalf("%d changes behind: the whole set already", i+2)
		}
	}
	u := owner.Since("own", behind)
	if !u.Whole() {
		t.Fatalf("%d changes behind: not whole, from %s", journalLength+1, u.From)
	}
	mustApply(t, follower, u)
	if !sameSay(said(owner, "own"), said(follower, "own")) {
		t.Errorf("the follower holds %v", said(follower, "own"))
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

// Who has another term, or claims to know the future, gets the whole set.
func TestStrangePositionsGetTheWholeSet(t *testing.T) {
	s := announced()
	s.Announce(5, []*Export{web("own", "web")})
	s.Set(web("own", "api"))
	for _, from := range []Version{{}, {4, 2}, {6, 1}, {5, 0}, {5, 3}, {0, 2}} {
		if u := s.Since("own", from); u == nil || !u.Whole() || len(u.Put) != 2 || u.To != (Version{5, 2}) {
			t.Errorf("from %s: %+v", from, u)
		}
	}
	if u := s.Since("own", Version{5, 1}); u.Whole() || len(u.Put) != 1 || u.Put[0].Name != named("api") {
		t.Errorf("from 5.1: %+v", u)
	}
	if u := s.Since("own", Version{5, 2}); u != nil {
		t.Errorf("from the newest: %+v", u)
	}
}
