package federation

import (
	"slices"
	"testing"
	"time"
)

// lastWord returns what a cluster said last of a service.
func lastWord(t *testing.T, s *Store, cluster ClusterID, name string) Said {
	t.Helper()
	list := s.Said(named(name))
	i := slices.IndexFunc(list, func(w Said) bool { return w.Cluster == cluster })
	if i < 0 {
		t.Fatalf("%s says nothing of %s: %+v", cluster, name, list)
	}
	return list[i]
}

// Of each word it is known of which version of its owner it is, and when it came: what did not change keeps both.
func TestWordsKeepTheVersionAtWhichTheyCame(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	s := NewStore("own")
	s.KeepTime(func() time.Time { return now })
	expect := func(name string, v Version, learned time.Time) {
		t.Helper()
		if w := lastWord(t, s, "east", name); w.Version != v || !w.Learned.Equal(learned) || w.Export == nil || w.Unread || w.Name != named(name) {
			t.Errorf("%s: %+v, want version %s, learned %s", name, w, v, learned)
		}
	}
	first := now
	mustApply(t, s, whole(s, "east", Version{1, 5}, web("east", "a"), web("east", "b")))
	now = now.Add(time.Minute)
	mustApply(t, s, step(s, "east", Version{1, 5}, Version{1, 6}, []*Export{web("east", "b", "10.0.0.1")}))
	expect("a", Version{1, 5}, first)
	expect("b", Version{1, 6}, now)

	later := now.Add(time.Minute)
	now = later
	parts := split(whole(s, "east", Version{2, 1}, web("east", "a"), web("east", "b"), web("east", "c")), 1)
	mustApply(t, s, parts[0])
	expect("b", Version{2, 1}, later) // which is not that of the owner yet
	if v := s.Version("east"); v != (Version{1, 6}) {
		t.Errorf("the owner is at %s before the last part", v)
	}
	now = now.Add(time.Minute)
	mustApply(t, s, parts[1])
	expect("a", Version{1, 5}, first)
	expect("c", Version{2, 1}, now)
	if list := s.Said(named("none")); list != nil {
		t.Errorf("of nothing is said %+v", list)
	}
}

// What is remembered is of no version, until a set shows that it is still so.
func TestRememberedWordsAreOfNoVersion(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "stays"), web("east", "goes")})
	s.Restore("own", []*Export{web("own", "ours")})
	if w := lastWord(t, s, "east", "stays"); !w.Version.IsZero() {
		t.Errorf("remembered: %+v", w)
	}
	mustApply(t, s, whole(s, "east", Version{3, 7}, web("east", "stays"), web("east", "new")))
	for _, name := range []string{"stays", "new"} {
		if w := lastWord(t, s, "east", name); w.Version != (Version{3, 7}) {
			t.Errorf("%s: %+v", name, w)
		}
	}
	own := NewStore("own")
	own.Restore("own", []*Export{web("own", "ours")})
	own.Announce(4, []*Export{web("own", "ours")})
	if w := lastWord(t, own, "own", "ours"); w.Version != (Version{4, 1}) {
		t.Errorf("announced: %+v", w)
	}
}

// A word that could not be read is of the version at which it was said; what stands is the one before, or nothing.
func TestUnreadWordsAreToldApart(t *testing.T) {
	former := web("east", "spoiled", "10.0.0.1")
	s, _ := spoiled(t, former)
	at := s.Version("east")
	if w := lastWord(t, s, "east", "spoiled"); !w.Unread || w.Export != former || w.Version != at {
		t.Errorf("%+v", w)
	}
	if w := lastWord(t, s, "east", "never"); !w.Unread || w.Export != nil || w.Version != at {
		t.Errorf("%+v", w)
	}
	if n := s.Unread(); len(n) != 1 || n["east"] != 2 {
		t.Errorf("unread are %v", n)
	}
	names := s.Names()
	slices.SortFunc(names, ServiceName.Compare)
	if want := []ServiceName{named("spoiled"), named("web")}; !slices.Equal(names, want) {
		t.Errorf("names %v, want %v", names, want)
	}
}

// How long somebody is behind is told by the first change that it lacks, of those that are remembered.
func TestTheFirstChangeAfterAVersion(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	s := NewStore("own")
	s.KeepTime(func() time.Time { return now })
	s.Announce(3, nil)
	at := func(minutes int) time.Time { return time.Date(2026, 1, 2, 12, minutes, 0, 0, time.UTC) }
	for i, name := range []string{"a", "b", "c"} {
		now = at(i + 1)
		s.Set(web("own", name))
	}
	for _, c := range []struct {
		about string
		has   Version
		want  time.Time
	}{
		{"all", Version{3, 4}, time.Time{}},
		{"more", Version{3, 9}, time.Time{}},
		{"all but the last", Version{3, 3}, at(3)},
		{"the first alone", Version{3, 2}, at(2)},
		{"nothing of this term", Version{2, 90}, at(1)},
		{"nothing", Version{}, at(1)},
	} {
		if got := s.FirstAfter("own", c.has); !got.Equal(c.want) {
			t.Errorf("who has %s lacks what is of %s, want %s", c.about, got, c.want)
		}
	}
	if got := s.FirstAfter("east", Version{}); !got.IsZero() {
		t.Errorf("of a cluster that is not known: %s", got)
	}
}
