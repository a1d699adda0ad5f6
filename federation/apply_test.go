package federation

import (
	"slices"
	"testing"
)

// Promise 3: a peer's word about this cluster is never taken.
func TestNobodyElseSpeaksForThisCluster(t *testing.T) {
	s := announced(web("own", "web"))
	for _, u := range []*Update{
		whole(s, "own", Version{9, 9}),
		step(s, "own", Version{1, 1}, Version{1, 2}, nil, named("web")),
		{Owner: "own", To: Version{9, 9}, More: true, Put: sealed([]*Export{web("own", "web")})},
	} {
		refuse(t, s, u, ErrOwnWord)
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
		{"a relative one", Version{}, Version{2, 6}, nil},
		{"a relative one to the same version, to repair", Version{}, Version{2, 5}, nil},
		{"a relative one to the next term, though its seq is lower", Version{}, Version{3, 1}, nil},
		{"a gap", Version{2, 6}, Version{2, 7}, ErrGap},
		{"the next term, from a version of it", Version{3, 1}, Version{3, 2}, ErrGap},
		{"across terms", Version{2, 5}, Version{3, 1}, ErrGap},
		{"from a former term", Version{1, 9}, Version{2, 6}, ErrGap},
		{"older", Version{2, 3}, Version{2, 4}, ErrOlder},
		{"an older relative one", Version{}, Version{2, 4}, ErrOlder},
		{"a relative one to a former term, though its seq is higher", Version{}, Version{1, 99}, ErrOlder},
		{"backwards", Version{2, 7}, Version{2, 6}, errOther},
		{"to nowhere", Version{}, Version{}, errOther},
	} {
		s := announced()
		mustApply(t, s, whole(s, "east", Version{2, 5}, web("east", "web")))
		u := step(s, "east", c.from, c.to, []*Export{web("east", "new")})
		t.Run(c.about, func(t *testing.T) {
			if c.want != nil {
				refuse(t, s, u, c.want)
				return
			}
			mustApply(t, s, u)
			if s.Version("east") != c.to || len(s.Exports(named("new"))) != 1 || len(s.Exports(named("web"))) != 1 {
				t.Errorf("version %s, held %v", s.Version("east"), said(s, "east"))
			}
		})
	}
}

// An increment that changes nothing for whoever is silent: it needs a set to join on to.
func TestIncrementNeedsASet(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "web")})
	refuse(t, s, step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{web("east", "api")}), ErrGap)
}

// Whole or not at all: one record that another cluster owns spoils the update.
func TestUpdateWithAnotherOwnersRecordIsRefusedWhole(t *testing.T) {
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 1}, big("east", "big", 9)))
	foreign := step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{web("east", "web"), web("west", "web")})
	refuse(t, s, foreign, errOther)

	patched := step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{web("east", "web")})
	patched.Patched = []Patch{patch(s.Hashes("east")[0], Sealed(big("west", "big", 9)), nil)}
	leadsTo(s, patched)
	refuse(t, s, patched, errOther)
	if len(s.Synced()) != 2 || s.Exports(named("web")) != nil {
		t.Error("half of it was taken")
	}
}

func TestIncrementPutsAndWithdraws(t *testing.T) {
	s := announced()
	keeps := web("east", "keeps")
	mustApply(t, s, whole(s, "east", Version{1, 1}, keeps, web("east", "goes"), web("east", "grows")))
	changed, advanced, own := s.Changed(), s.Advanced("east"), s.Advanced("own")
	mustApply(t, s, step(s, "east", Version{1, 1}, Version{1, 4},
		[]*Export{web("east", "grows", "10.0.0.1"), web("east", "comes")}, named("goes"), named("never-was")))
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

// A complete set withdraws what it lacks, of its owner only, and keeps the pointers of what is equal.
func TestCompleteSetReplacesAndDrops(t *testing.T) {
	s := announced(web("own", "goes"))
	keeps := web("east", "keeps")
	mustApply(t, s, whole(s, "east", Version{1, 1}, keeps, web("east", "goes")))
	mustApply(t, s, whole(s, "west", Version{1, 1}, web("west", "goes")))
	u := whole(s, "east", Version{2, 1}, web("east", "keeps"), web("east", "comes"))
	if len(u.Put) != 1 || len(u.Stale) != 1 {
		t.Errorf("%d records and %d stale: want only what differs", len(u.Put), len(u.Stale))
	}
	mustApply(t, s, u)
	if list := s.Exports(named("goes")); len(list) != 2 || list[0].Cluster != "own" || list[1].Cluster != "west" {
		t.Errorf("left: %v", list)
	}
	if s.Exports(named("keeps"))[0] != keeps || len(s.Exports(named("comes"))) != 1 {
		t.Errorf("held: %v", said(s, "east"))
	}
}

// A record that is sent though it is held keeps its pointer, by which readers see that nothing changed.
func TestAnEqualRecordKeepsItsPointer(t *testing.T) {
	s := announced()
	keeps := web("east", "keeps", "10.0.0.1")
	mustApply(t, s, whole(s, "east", Version{1, 1}, keeps))
	_, before, _ := s.NamesSince(0)
	again := whole(NewStore("own"), "east", Version{2, 1}, web("east", "keeps", "10.0.0.1"))
	if len(again.Put) != 1 {
		t.Fatalf("%d records, want the complete set", len(again.Put))
	}
	mustApply(t, s, again)
	if names, _, _ := s.NamesSince(before); len(names) != 0 || s.Export("east", keeps.Name) != keeps || s.Version("east") != (Version{2, 1}) {
		t.Errorf("changed: %v, version %s", names, s.Version("east"))
	}
}

// Who follows this Store learns of each difference, be it in the hash alone: an owner of a later version may hash
// the same content otherwise.
func TestAnotherHashOfTheSameContentIsAChangeForFollowers(t *testing.T) {
	s := announced()
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "web")))
	_, before, _ := s.NamesSince(0)
	advanced := s.Advanced("east")
	r := Record{web("east", "web"), 42}
	mustApply(t, s, &Update{Owner: "east", To: Version{1, 1}, Digest: 42, Put: []Record{r}})
	if !woken(advanced) || s.Head("east") != (Head{Version{1, 1}, 42, 1}) {
		t.Errorf("woken %t, head %+v", woken(advanced), s.Head("east"))
	}
	if names, _, _ := s.NamesSince(before); len(names) != 0 {
		t.Errorf("changed: %v, though the content is the same", names)
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
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "web")))
	s.Restore("east", []*Export{web("east", "web"), web("east", "goes")})
	if s.Exports(named("goes")) != nil || s.Exports(named("later")) != nil || s.Owners()[0].Restored {
		t.Errorf("what is remembered outlives the cluster's own word: %v", said(s, "east"))
	}
}
