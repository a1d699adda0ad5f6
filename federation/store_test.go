package federation

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// announced returns a Store of "own" in term 1 with these exports.
func announced(exports ...*Export) *Store {
	s := NewStore("own")
	s.Announce(1, exports)
	return s
}

// E1: a cluster that has announced nothing has said nothing, not even that it has no services.
func TestSilentUntilAnnounced(t *testing.T) {
	s := NewStore("own")
	if s.Self() != "own" || !s.Version("own").IsZero() || sayable(s, "own") || len(s.Synced()) != 0 {
		t.Errorf("a new Store speaks: %+v", s.Owners())
	}
	s.Announce(7, nil)
	u, ask := s.SeenBy(s.Self()).Since("own", Head{}, true)
	if u == nil || ask || !u.relative() || len(u.Put)+len(u.Stale) != 0 || u.To != (Version{7, 1}) {
		t.Errorf("announced without exports: %+v, want an empty complete set at 7.1", u)
	}
	if !slices.Equal(s.Synced(), []ClusterID{"own"}) {
		t.Errorf("synced: %v", s.Synced())
	}
}

// sayable reports whether s would tell anything of a cluster to who knows nothing of it, or to who has hashes.
func sayable(s *Store, cluster ClusterID) bool {
	u, ask := s.SeenBy(s.Self()).Since(cluster, Head{}, true)
	return u != nil || ask || s.SeenBy(s.Self()).Against(cluster, []Hash{1}) != nil
}

// What is said again changes nothing: the version stands, nobody wakes, and the old pointer stays, by
// which readers see that nothing changed.
func TestEqualExportIsNoChange(t *testing.T) {
	first := web("own", "web", "10.0.0.1")
	s := announced(first)
	changed, advanced := s.Changed(), s.Advanced("own")
	s.Set(web("own", "web", "10.0.0.1"))
	s.Withdraw(named("other"))
	if woken(changed) || woken(advanced) || s.Version("own") != (Version{1, 1}) || s.Exports(first.Name)[0] != first {
		t.Errorf("a change without a difference: version %s", s.Version("own"))
	}
	s.Announce(2, []*Export{web("own", "web", "10.0.0.1")})
	if names, _, _ := s.NamesSince(1); len(names) != 0 || s.Exports(first.Name)[0] != first {
		t.Errorf("an equal set in a new term changes %v", names)
	}
}

// Each change counts once and wakes both kinds of waiters once.
func TestEachChangeCountsAndWakes(t *testing.T) {
	s := announced()
	for i, c := range []struct {
		what string
		do   func()
	}{
		{"new", func() { s.Set(web("own", "web", "10.0.0.1")) }},
		{"another endpoint", func() { s.Set(web("own", "web", "10.0.0.1", "10.0.0.2")) }},
		{"another service", func() { s.Set(web("own", "api", "10.0.0.1")) }},
		{"withdrawn", func() { s.Withdraw(named("web")) }},
		{"back again", func() { s.Set(web("own", "web")) }},
	} {
		changed, advanced, other := s.Changed(), s.Advanced("own"), s.Advanced("east")
		c.do()
		if !woken(changed) || !woken(advanced) || woken(other) {
			t.Errorf("%s: woke changed %t, own %t, another cluster %t", c.what, woken(changed), woken(advanced), woken(other))
		}
		if want := (Version{1, uint64(i + 2)}); s.Version("own") != want {
			t.Errorf("%s: version %s, want %s", c.what, s.Version("own"), want)
		}
		if woken(s.Changed()) || woken(s.Advanced("own")) {
			t.Errorf("%s: the next signal is spent already", c.what)
		}
	}
}

// A new term withdraws what the former had and this one lacks.
func TestNewTermIsTheWholeTruth(t *testing.T) {
	stays, goes := web("own", "stays"), web("own", "goes")
	s := announced(stays, goes)
	_, before, _ := s.NamesSince(0)
	s.Announce(5, []*Export{stays, web("own", "comes")})
	names, _, _ := s.NamesSince(before)
	slices.SortFunc(names, ServiceName.Compare)
	if !slices.Equal(names, []ServiceName{named("comes"), named("goes")}) {
		t.Errorf("changed: %v", names)
	}
	if s.Exports(goes.Name) != nil || s.Version("own") != (Version{5, 1}) {
		t.Errorf("the former term's export is still there, version %s", s.Version("own"))
	}
}

// C5, checklist 33: all exports of one name, by cluster ID, whatever order they came in.
func TestExportsAreByClusterID(t *testing.T) {
	s := announced(web("own", "web"))
	for _, c := range []ClusterID{"west", "east", "north"} {
		mustApply(t, s, whole(s, c, Version{1, 1}, web(c, "web"), web(c, string(c))))
	}
	var order []ClusterID
	for _, e := range s.Exports(named("web")) {
		order = append(order, e.Cluster)
	}
	if !slices.Equal(order, []ClusterID{"east", "north", "own", "west"}) {
		t.Errorf("got %v", order)
	}
	in := s.NamesIn("shop")
	slices.SortFunc(in, ServiceName.Compare)
	if !slices.Equal(in, []ServiceName{named("east"), named("north"), named("web"), named("west")}) || len(s.NamesIn("other")) != 0 {
		t.Errorf("in the namespace: %v", in)
	}
}

// A reader keeps what Exports gave it while writers go on.
func TestExportsGivenOutNeverChange(t *testing.T) {
	s := announced(web("own", "web"))
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "web")))
	var given, kept [][]*Export
	for _, change := range []func(){
		func() { s.Set(web("own", "web", "10.0.0.1")) },
		func() { mustApply(t, s, whole(s, "a", Version{1, 1}, web("a", "web"))) },
		func() { mustApply(t, s, whole(s, "east", Version{1, 2})) },
		func() { s.Withdraw(named("web")) },
	} {
		list := s.Exports(named("web"))
		given, kept = append(given, list), append(kept, slices.Clone(list))
		change()
	}
	if !slices.EqualFunc(given, kept, slices.Equal) {
		t.Error("a slice was written to")
	}
}

// Promise 8: for each cluster the version, the age, the number of records, and whether they are old.
func TestOwnersTellWhatIsKnown(t *testing.T) {
	s := announced(web("own", "web", "10.0.0.1", "10.0.0.2"))
	heard := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	mustApply(t, s, whole(s, "west", Version{3, 9}, web("west", "web", "10.1.0.1"), web("west", "api", "10.1.0.2", "10.1.0.3")))
	s.Heard("west", heard)
	s.Restore("east", []*Export{web("east", "web")})
	want := []Owner{
		{Cluster: "east", Exports: 1, Restored: true},
		{Cluster: "own", Version: Version{1, 1}, Exports: 1, Endpoints: 2},
		{Cluster: "west", Version: Version{3, 9}, Heard: heard, Exports: 2, Endpoints: 3},
	}
	if got := s.Owners(); !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := s.Synced(); !slices.Equal(got, []ClusterID{"own", "west"}) {
		t.Errorf("synced: %v, want those of which a complete set came", got)
	}
}

// Being asked about, or heard, makes no cluster synced.
func TestHearingIsNotKnowing(t *testing.T) {
	s := announced()
	changed := s.Changed()
	s.Heard("east", time.Now())
	s.Advanced("west")
	if woken(changed) || len(s.Synced()) != 1 || sayable(s, "east") || sayable(s, "nobody") {
		t.Errorf("owners %+v", s.Owners())
	}
}

// Peers are the other clusters that were heard: not this one, and none that is only remembered or waited for.
func TestPeersAreTheOthersThatWereHeard(t *testing.T) {
	s := announced(web("own", "web"))
	s.Restore("remembered", []*Export{web("remembered", "web")})
	s.Advanced("awaited")
	s.Heard("greeted", time.Now())
	joined := s.Joined()
	s.Announce(9, nil)
	mustApply(t, s, &Update{Owner: "partly", To: Version{1, 1}, More: true})
	if n := s.Peers(); n != 0 || woken(joined) {
		t.Errorf("%d peers, woken %t: want none yet", n, woken(joined))
	}
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "web")))
	mustApply(t, s, whole(s, "west", Version{1, 1}))
	if joined, before := s.Joined(), joined; !woken(before) || woken(joined) {
		t.Error("who waits for the others is not woken, or for ever")
	}
	joined = s.Joined()
	mustApply(t, s, whole(s, "west", Version{2, 1}))
	if woken(joined) {
		t.Error("woken by a cluster that had joined before")
	}
	mustApply(t, s, whole(s, "remembered", Version{1, 1}))
	if n := s.Peers(); n != 3 || !woken(joined) {
		t.Errorf("%d peers: want east, remembered and west", n)
	}
	joined = s.Joined()
	gone := whole(s, "west", Version{2, 2})
	gone.Left = true
	mustApply(t, s, gone)
	if n := s.Peers(); n != 2 || !woken(joined) {
		t.Errorf("%d peers, woken %t: want east and remembered", n, woken(joined))
	}
}

// Promise 4: what is held is complete when a complete set of every cluster that is known of came.
func TestCompleteWaitsForEveryClusterThatIsKnown(t *testing.T) {
	s := announced()
	if !s.Complete() {
		t.Error("alone, but not complete")
	}
	s.Expect("east")
	s.Restore("west", []*Export{web("west", "web")})
	mustApply(t, s, whole(s, "west", Version{1, 1}))
	if s.Complete() || len(s.Heads()) != 2 || s.Heads()["west"] != s.Head("west") || s.Heads()["own"] != s.Head("own") {
		t.Errorf("complete %t without east; heads %+v", s.Complete(), s.Heads())
	}
	mustApply(t, s, &Update{Owner: "east", To: Version{1, 1}, More: true})
	if s.Complete() {
		t.Error("complete with a part")
	}
	mustApply(t, s, &Update{Owner: "east", To: Version{1, 1}})
	if s.Expect("east"); !s.Complete() || len(s.Synced()) != 3 {
		t.Errorf("not complete: %+v", s.Owners())
	}
}

// The first cluster that has an ID keeps it until it leaves.
func TestAClusterIDIsTakenOnce(t *testing.T) {
	s, east := NewStore("own"), NewStore("east")
	for _, c := range []struct {
		uid  string
		want error
	}{{"", nil}, {"a", nil}, {"a", nil}, {"b", ErrTaken}, {"", ErrTaken}, {"a", nil}} {
		if err := s.Meet("east", c.uid); !errors.Is(err, c.want) {
			t.Errorf("%q: error %v, want %v", c.uid, err, c.want)
		}
	}
	east.Announce(1, nil)
	catchUp(t, east, s, "east")
	east.Leave()
	catchUp(t, east, s, "east")
	if err := s.Meet("east", "b"); err != nil || s.UID("east") != "b" {
		t.Errorf("after it left: error %v, UID %q", err, s.UID("east"))
	}
}
