package federation

import (
	"errors"
	"slices"
	"testing"
)

// Promise 3: a peer's word about this cluster is never taken.
func TestNobodyElseSpeaksForThisCluster(t *testing.T) {
	s := announced(web("own", "web"))
	changed := s.Changed()
	for _, u := range []*Update{
		whole("own", Version{9, 9}),
		{Owner: "own", From: Version{1, 1}, To: Version{1, 2}, Withdrawn: []ServiceName{named("web")}},
	} {
		if err := s.Apply(u); !errors.Is(err, ErrOwnWord) {
			t.Errorf("error %v, want ErrOwnWord", err)
		}
	}
	if woken(changed) || s.Version("own") != (Version{1, 1}) || len(s.Exports(named("web"))) != 1 {
		t.Error("the update left traces")
	}
}

// What may follow on 2.5, and what may not.
func TestUpdatesJoinOnOrAreRefused(t *testing.T) {
	for _, c := range []struct {
		about    string
		from, to Version
		want     error // nil: taken
	}{
		{"the next", Version{2, 5}, Version{2, 6}, nil},
		{"several at once", Version{2, 5}, Version{2, 90}, nil},
		{"one that overlaps", Version{2, 3}, Version{2, 6}, nil},
		{"the same again", Version{2, 4}, Version{2, 5}, nil},
		{"a whole set", Version{}, Version{2, 6}, nil},
		{"a whole set of the same version, to repair", Version{}, Version{2, 5}, nil},
		{"a whole set of the next term, though its seq is lower", Version{}, Version{3, 1}, nil},
		{"a gap", Version{2, 6}, Version{2, 7}, ErrGap},
		{"the next term, not whole", Version{3, 1}, Version{3, 2}, ErrGap},
		{"across terms", Version{2, 5}, Version{3, 1}, ErrGap},
		{"from a former term", Version{1, 9}, Version{2, 6}, ErrGap},
		{"older", Version{2, 3}, Version{2, 4}, ErrOlder},
		{"an older whole set", Version{}, Version{2, 4}, ErrOlder},
		{"a former term's whole set, though its seq is higher", Version{}, Version{1, 99}, ErrOlder},
		{"backwards", Version{2, 7}, Version{2, 6}, errOther},
		{"to nowhere", Version{}, Version{}, errOther},
	} {
		s := announced()
		mustApply(t, s, whole("east", Version{2, 5}, web("east", "web")))
		changed := s.Changed()
		err := s.Apply(&Update{Owner: "east", From: c.from, To: c.to, Put: []*Export{web("east", "new")}})
		switch {
		case c.want == nil && (err != nil || s.Version("east") != c.to || len(s.Exports(named("new"))) != 1):
			t.Errorf("%s: error %v, version %s", c.about, err, s.Version("east"))
		case c.want != nil && (err == nil || !errors.Is(kind(err), c.want)):
			t.Errorf("%s: error %v, want %v", c.about, err, c.want)
		case c.want != nil && (woken(changed) || s.Version("east") != Version{2, 5} || s.Exports(named("new")) != nil):
			t.Errorf("%s: refused, but it left traces", c.about)
		}
	}
}

var errOther = errors.New("any other error")

// kind returns the error that callers may ask for, or errOther.
func kind(err error) error {
	for _, known := range []error{ErrOwnWord, ErrOlder, ErrGap} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errOther
}

// An increment that changes nothing for whoever is silent: it needs a set to join on to.
func TestIncrementNeedsASet(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "web")})
	err := s.Apply(&Update{Owner: "east", From: Version{1, 1}, To: Version{1, 2}, Put: []*Export{web("east", "api")}})
	if !errors.Is(err, ErrGap) || s.Exports(named("api")) != nil {
		t.Errorf("error %v, want ErrGap", err)
	}
}

// Whole or not at all: one export that another cluster owns spoils the update.
func TestUpdateWithAnotherOwnersExportIsRefusedWhole(t *testing.T) {
	s := announced()
	if err := s.Apply(whole("east", Version{1, 1}, web("east", "web"), web("west", "web"))); err == nil {
		t.Error("taken")
	}
	if len(s.Exports(named("web"))) != 0 || len(s.Synced()) != 1 {
		t.Error("half of it was taken")
	}
}

func TestIncrementPutsAndWithdraws(t *testing.T) {
	s := announced()
	keeps := web("east", "keeps")
	mustApply(t, s, whole("east", Version{1, 1}, keeps, web("east", "goes"), web("east", "grows")))
	changed, advanced, own := s.Changed(), s.Advanced("east"), s.Advanced("own")
	mustApply(t, s, &Update{
		Owner: "east", From: Version{1, 1}, To: Version{1, 4},
		Put:       []*Export{web("east", "grows", "10.0.0.1"), web("east", "comes")},
		Withdrawn: []ServiceName{named("goes"), named("never-was")},
	})
	if !woken(changed) || !woken(advanced) || woken(own) {
		t.Error("the wrong waiters woke")
	}
	want := map[ServiceName]*Export{
		named("keeps"): keeps, named("grows"): web("east", "grows", "10.0.0.1"), named("comes"): web("east", "comes"),
	}
	if !sameSay(said(s, "east"), want) || s.Exports(named("keeps"))[0] != keeps {
		t.Errorf("held: %v", said(s, "east"))
	}
}

// A whole set withdraws what it lacks, of its owner only, and keeps the pointers of what is equal.
func TestWholeSetReplacesAndDrops(t *testing.T) {
	s := announced(web("own", "goes"))
	keeps := web("east", "keeps")
	mustApply(t, s, whole("east", Version{1, 1}, keeps, web("east", "goes")))
	mustApply(t, s, whole("west", Version{1, 1}, web("west", "goes")))
	mustApply(t, s, whole("east", Version{2, 1}, web("east", "keeps"), web("east", "comes")))
	if list := s.Exports(named("goes")); len(list) != 2 || list[0].Cluster != "own" || list[1].Cluster != "west" {
		t.Errorf("left: %v", list)
	}
	if s.Exports(named("keeps"))[0] != keeps || len(s.Exports(named("comes"))) != 1 {
		t.Errorf("held: %v", said(s, "east"))
	}
}

// Bad input loses nothing: a record that could not be read keeps what is held of it, also in a whole set.
func TestUnreadRecordsKeepWhatIsHeld(t *testing.T) {
	s := announced()
	former := web("east", "spoiled", "10.0.0.1")
	mustApply(t, s, whole("east", Version{1, 1}, former, web("east", "goes")))
	u := whole("east", Version{2, 1}, web("east", "web"))
	u.Unread = []ServiceName{former.Name, named("never-was")}
	mustApply(t, s, u)
	if list := s.Exports(former.Name); len(list) != 1 || list[0] != former {
		t.Errorf("the unread record became %v", list)
	}
	if s.Exports(named("goes")) != nil || s.Exports(named("never-was")) != nil || len(s.Exports(named("web"))) != 1 {
		t.Errorf("held: %v", said(s, "east"))
	}
}

// Promise 4: what is remembered stays until the cluster itself has spoken whole, and no longer.
func TestRestoreHoldsUntilTheFirstCompleteSet(t *testing.T) {
	s := announced()
	changed := s.Changed()
	s.Restore("east", []*Export{web("east", "web"), web("east", "goes")})
	s.Restore("east", []*Export{web("east", "web"), web("east", "later")})
	if !woken(changed) || !slices.Equal(s.Synced(), []ClusterID{"own"}) || !s.Version("east").IsZero() {
		t.Errorf("what is remembered counts as heard: %+v", s.Owners())
	}
	if s.Exports(named("goes")) != nil || len(s.Exports(named("later"))) != 1 {
		t.Error("the later memory does not replace the earlier")
	}
	mustApply(t, s, whole("east", Version{1, 1}, web("east", "web")))
	s.Restore("east", []*Export{web("east", "web"), web("east", "goes")})
	if s.Exports(named("goes")) != nil || s.Exports(named("later")) != nil || s.Owners()[0].Restored {
		t.Errorf("what is remembered outlives the cluster's own word: %v", said(s, "east"))
	}
}

// Nothing that is only remembered is passed on as a cluster's word.
func TestRestoredIsNotRepeated(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "web")})
	if u := s.Since("east", Version{}); u != nil {
		t.Errorf("passed on: %+v", u)
	}
}
