package federation

import (
	"slices"
	"testing"
)

// wants asks s for what somebody lacks who has that much, and compares it with what the test expects: the names of
// what is put, patched and withdrawn.
func wants(t *testing.T, about string, s *Store, has Head, from Version, put, patched, withdrawn []string) {
	t.Helper()
	u, ask := s.SeenBy(s.Self()).Since("own", has, true)
	if u == nil || ask {
		t.Errorf("%s: update %+v, ask %t", about, u, ask)
		return
	}
	var gotPut, gotPatched, gotWithdrawn []string
	for _, r := range u.Put {
		gotPut = append(gotPut, r.Name.Name)
	}
	for _, p := range u.Patched {
		gotPatched = append(gotPatched, p.Name.Name)
	}
	for _, n := range u.Withdrawn {
		gotWithdrawn = append(gotWithdrawn, n.Name)
	}
	slices.Sort(gotPut)
	if !slices.Equal(gotPut, put) || !slices.Equal(gotPatched, patched) || !slices.Equal(gotWithdrawn, withdrawn) {
		t.Errorf("%s: put %v, patched %v, withdrawn %v, want %v, %v, %v", about, gotPut, gotPatched, gotWithdrawn, put, patched, withdrawn)
	}
	if u.From != from || u.To != s.Version("own") || u.Digest != s.Head("own").Digest || u.More || len(u.Stale)+len(u.Unread) > 0 {
		t.Errorf("%s: %+v", about, u)
	}
}

// Who has a version of this term gets what changed after it, each service once, by the log.
func TestSinceTellsWhatChangedAfterAVersion(t *testing.T) {
	s := announced(web("own", "a"), web("own", "b"), big("own", "big", 20))
	heads := []Head{s.Head("own")}
	for _, do := range []func(){
		func() { s.Set(web("own", "a", "10.0.0.1")) },
		func() { s.Withdraw(named("b")) },
		func() { s.Set(web("own", "a", "10.0.0.2")) },
		func() { s.Set(big("own", "big", 21)) },
		func() { s.Set(web("own", "c")) },
		func() { s.Withdraw(named("c")) },
	} {
		do()
		heads = append(heads, s.Head("own"))
	}
	wants(t, "all", s, heads[0], heads[0].Version, []string{"a"}, []string{"big"}, []string{"b"})
	wants(t, "after the first", s, heads[1], heads[1].Version, []string{"a"}, []string{"big"}, []string{"b"})
	wants(t, "after the withdrawal", s, heads[2], heads[2].Version, []string{"a"}, []string{"big"}, nil)
	wants(t, "after a's second", s, heads[3], heads[3].Version, nil, []string{"big"}, nil)
	wants(t, "after big: what came and went meanwhile is not told", s, heads[4], heads[4].Version, nil, nil, nil)
	wants(t, "the last", s, heads[5], heads[5].Version, nil, nil, []string{"c"})
	for i, has := range heads {
		follower := NewStore("east")
		mustApply(t, follower, whole(follower, "own", has.Version, exportsAt(i)...))
		if follower.Head("own") != has {
			t.Fatalf("head %+v after %d changes, want %+v", has, i, follower.Head("own"))
		}
		catchUp(t, s, follower, "own")
	}
}

// exportsAt returns what the owner of the test above said after i changes.
func exportsAt(i int) []*Export {
	return [][]*Export{
		{web("own", "a"), web("own", "b"), big("own", "big", 20)},
		{web("own", "a", "10.0.0.1"), web("own", "b"), big("own", "big", 20)},
		{web("own", "a", "10.0.0.1"), big("own", "big", 20)},
		{web("own", "a", "10.0.0.2"), big("own", "big", 20)},
		{web("own", "a", "10.0.0.2"), big("own", "big", 21)},
		{web("own", "a", "10.0.0.2"), big("own", "big", 21), web("own", "c")},
		{web("own", "a", "10.0.0.2"), big("own", "big", 21)},
	}[i]
}

// What each position is told: nothing, everything, that nothing differs, or to ask by hashes.
func TestSinceKnowsEachPosition(t *testing.T) {
	s := announced()
	s.Announce(5, []*Export{web("own", "web")})
	s.Set(web("own", "api"))
	head := s.Head("own")
	other := head.Digest + 1
	for _, c := range []struct {
		about string
		has   Head
		want  string
	}{
		{"the same", head, "nothing"},
		{"the same, counted otherwise", Head{head.Version, head.Digest, 1}, "nothing"},
		{"a newer version", Head{Version{5, 3}, other, 2}, "nothing"},
		{"a newer term", Head{Version{6, 1}, other, 2}, "nothing"},
		{"a newer term, without records", Head{Version{6, 1}, 0, 0}, "nothing"},
		{"nothing at all", Head{}, "everything"},
		{"an empty set of a former term", Head{Version{4, 9}, 0, 0}, "everything"},
		{"an empty set before the log", Head{Version{5, 0}, 0, 0}, "everything"},
		{"an empty set at the same version", Head{Version{5, 2}, 0, 0}, "everything"},
		{"the same set of a former term", Head{Version{4, 9}, head.Digest, 2}, "empty"},
		{"the same set before the log", Head{Version{5, 0}, head.Digest, 2}, "empty"},
		{"the same set, remembered", Head{Version{}, head.Digest, 2}, "empty"},
		{"another set at the same version", Head{Version{5, 2}, other, 2}, "ask"},
		{"another set of a former term", Head{Version{4, 9}, other, 2}, "ask"},
		{"another set before the log", Head{Version{5, 0}, other, 3}, "ask"},
		{"another set, remembered", Head{Version{}, other, 3}, "ask"},
		{"what the log reaches", Head{Version{5, 1}, 7, 1}, "increment"},
	} {
		u, ask := s.SeenBy(s.Self()).Since("own", c.has, true)
		got := "nothing"
		switch {
		case ask && u == nil:
			got = "ask"
		case u != nil && (ask || u.To != head.Version || u.Digest != head.Digest):
			t.Errorf("%s: %+v, ask %t", c.about, u, ask)
		case u != nil && !u.relative():
			got = "increment"
		case u != nil && len(u.Put) == 2 && len(u.Stale) == 0:
			got = "everything"
		case u != nil && len(u.Put)+len(u.Stale) == 0:
			got = "empty"
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.about, got, c.want)
		}
	}
}

// The same set in a new term costs no record, and moves nothing.
func TestTheSameSetInANewTermCostsNothing(t *testing.T) {
	owner, follower := announced(web("own", "web"), web("own", "api")), NewStore("east")
	catchUp(t, owner, follower, "own")
	_, revision, _ := follower.NamesSince(0)
	owner.Renew(9)
	wants(t, "a new term", owner, follower.Head("own"), Version{}, nil, nil, nil)
	advanced := follower.Advanced("own")
	catchUp(t, owner, follower, "own")
	names, _, _ := follower.NamesSince(revision)
	if len(names) != 0 || !woken(advanced) || follower.Version("own") != (Version{9, 1}) {
		t.Errorf("changed %v, woken %t, at %s", names, woken(advanced), follower.Version("own"))
	}
}

// Checklist of a restart: what is remembered and still true needs no record to be heard again.
func TestWhatIsRememberedRightIsNotResent(t *testing.T) {
	owner, follower := announced(web("own", "web"), web("own", "api")), NewStore("east")
	follower.Restore("own", []*Export{web("own", "web"), web("own", "api")})
	web := follower.Export("own", named("web"))
	wants(t, "remembered", owner, follower.Head("own"), Version{}, nil, nil, nil)
	changed := follower.Changed()
	catchUp(t, owner, follower, "own")
	if !woken(changed) || !slices.Contains(follower.Synced(), "own") || follower.Owners()[0].Restored || follower.Export("own", web.Name) != web {
		t.Errorf("woken %t, owners %+v", woken(changed), follower.Owners())
	}
}

// Of what is remembered wrong only the difference is sent.
func TestWhatIsRememberedWrongIsRepaired(t *testing.T) {
	owner, follower := announced(web("own", "web"), web("own", "api")), NewStore("east")
	follower.Restore("own", []*Export{web("own", "web"), web("own", "api", "10.0.0.1"), web("own", "goes")})
	if u, ask := owner.SeenBy(owner.Self()).Since("own", follower.Head("own"), true); u != nil || !ask {
		t.Errorf("update %+v, ask %t", u, ask)
	}
	u := owner.SeenBy(owner.Self()).Against("own", follower.Hashes("own"))
	if len(u.Put) != 1 || u.Put[0].Name != named("api") || len(u.Stale) != 2 {
		t.Errorf("%+v: want api, and two hashes that are no more", u)
	}
	catchUp(t, owner, follower, "own")
	if follower.Owners()[0].Restored {
		t.Error("still only remembered")
	}
}

// Nothing that is only remembered is passed on as a cluster's word.
func TestRestoredIsNotRepeated(t *testing.T) {
	s := announced()
	s.Restore("east", []*Export{web("east", "web")})
	if sayable(s, "east") {
		t.Error("passed on")
	}
	if len(s.Hashes("east")) != 1 || s.Head("east").Records != 1 || !s.Head("east").Version.IsZero() || s.Hashes("nobody") != nil {
		t.Errorf("head %+v, hashes %v", s.Head("east"), s.Hashes("east"))
	}
}

// Who names hashes that nobody knows, or one twice, gets a right answer.
func TestAgainstStrangeHashes(t *testing.T) {
	owner := announced(web("own", "web"), web("own", "api"))
	h := Sealed(web("own", "web")).Hash
	u := owner.SeenBy(owner.Self()).Against("own", []Hash{3, h, 1, h, 3})
	if len(u.Put) != 1 || u.Put[0].Name != named("api") || !slices.Contains(u.Stale, 1) || !slices.Contains(u.Stale, 3) {
		t.Errorf("%+v", u)
	}
	follower := NewStore("east")
	mustApply(t, follower, whole(follower, "own", Version{1, 1}, web("own", "web")))
	mustApply(t, follower, owner.SeenBy(owner.Self()).Against("own", follower.Hashes("own")))
	u.Stale = append(u.Stale, h+1)
	mustApply(t, follower, u)
}

// A follower that is further behind than the log is asked for hashes, and gets only what differs.
func TestFollowerBeyondTheLogGetsTheDifference(t *testing.T) {
	owner, follower := announced(web("own", "goes"), web("own", "stays")), NewStore("east")
	catchUp(t, owner, follower, "own")
	behind := follower.Head("own")
	owner.Withdraw(named("goes"))
	for i := range changesLength {
		owner.Set(web("own", "web", []string{"10.0.0.1", "10.0.0.2"}[i%2]))
		if u, ask := owner.SeenBy(owner.Self()).Since("own", behind, true); i < changesLength-1 && (ask || u.relative()) {
			t.Fatalf("%d changes behind: beyond the log already", i+2)
		}
	}
	if u, ask := owner.SeenBy(owner.Self()).Since("own", behind, true); u != nil || !ask {
		t.Fatalf("%d changes behind: %+v, want to be asked", changesLength+1, u)
	}
	if u := owner.SeenBy(owner.Self()).Against("own", follower.Hashes("own")); len(u.Put) != 1 || len(u.Stale) != 1 {
		t.Errorf("%+v: want web, and one that goes", u)
	}
	catchUp(t, owner, follower, "own")
}
