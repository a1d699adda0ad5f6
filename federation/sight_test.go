package federation

import (
	"strings"
	"testing"
)

func TestGlobsOfConsumers(t *testing.T) {
	for _, c := range []struct{ glob, yes, no string }{
		{"west", "west", "west-1 wes est"},
		{"*", "a west eu-1", ""},
		{"eu-*", "eu- eu-1 eu-west-2", "eu e eu1 a-eu-1"},
		{"*-prod", "a-prod -prod a-prod-prod", "prod a-prod-1"},
		{"a*a", "aa aba aaa", "a ab ba"},
		{"a*b*c", "abc axbxc abcbc", "acb ac ab"},
		{"a*b*b", "abb axbxb", "ab"},
		{"**", "a", ""},
	} {
		for text := range strings.FieldsSeq(c.yes) {
			if !matches(c.glob, text) {
				t.Errorf("%s does not match %s", c.glob, text)
			}
		}
		for text := range strings.FieldsSeq(c.no) {
			if matches(c.glob, text) {
				t.Errorf("%s matches %s", c.glob, text)
			}
		}
	}
}

// only returns an export that these alone may see.
func only(e *Export, consumers ...string) *Export {
	return edited(e, func(e *Export) { e.Consumers = consumers })
}

// Who may not see a record is told neither its name nor its withdrawal, and his digest knows nothing of it.
func TestWhatIsHiddenLeavesNoTrace(t *testing.T) {
	own := NewStore("own")
	own.Announce(1, []*Export{web("own", "open"), only(web("own", "secret"), "north")})
	before := own.SeenBy("west").Head("own")
	if want := NewStore("own"); true {
		want.Announce(1, []*Export{web("own", "open")})
		if got := want.Head("own"); before.Digest != got.Digest || before.Records != got.Records {
			t.Errorf("west sees %+v, want %+v", before, got)
		}
	}
	own.Set(only(web("own", "secret", "10.0.0.1"), "north"))
	own.Set(only(web("own", "other"), "north"))
	own.Withdraw(named("secret"))
	u, ask := own.SeenBy("west").Since("own", before, true)
	if ask || u == nil || len(u.Put)+len(u.Patched)+len(u.Withdrawn)+len(u.Stale)+len(u.Unread) > 0 || !u.At.IsZero() || u.Digest != before.Digest {
		t.Errorf("west is told %+v, ask %t", u, ask)
	}
	if u := own.SeenBy("west").Against("own", own.Hashes("own")); len(u.Put) > 0 || len(u.Stale) != 1 {
		t.Errorf("against hashes of all, west is told %+v", u)
	}
	if u, _ := own.SeenBy("north").Since("own", Head{}, true); len(u.Put) != 2 {
		t.Errorf("north is told %+v", u)
	}
}

// Who loses sight of a record is sent its withdrawal, who gains it the whole record, and who keeps it nothing.
func TestSightThatChanges(t *testing.T) {
	own := NewStore("own")
	own.Announce(1, []*Export{big("own", "web", 50)})
	viewers := map[ClusterID]*Store{}
	for _, id := range []ClusterID{"north", "west", "own"} {
		viewers[id] = NewStore(id)
		catchUp(t, own, viewers[id], "own")
	}
	narrow := only(big("own", "web", 50), "north")
	for _, c := range []struct {
		export            *Export
		north, west, rest string
	}{
		{narrow, "patched or put", "withdrawn", ""},
		{edited(narrow, firstTerminating), "patched", "silent", ""},
		{only(big("own", "web", 50), "w*"), "withdrawn", "put", ""},
		{only(edited(narrow, firstTerminating), "w*", "north"), "put", "patched", ""},
		{big("own", "web", 50), "patched", "patched", ""},
	} {
		own.Set(c.export)
		for id, want := range map[ClusterID]string{"north": c.north, "west": c.west} {
			to := viewers[id]
			u, ask := own.SeenBy(id).Since("own", to.Head("own"), true)
			if ask || !strings.Contains(want, kindOf(u)) {
				t.Errorf("%v: %s is told %+v, want it %s", c.export.Consumers, id, u, want)
			}
			mustApply(t, to, u)
			catchUp(t, own, to, "own")
		}
		catchUp(t, own, viewers["own"], "own")
	}
}

// kindOf says what an update of one service does.
func kindOf(u *Update) string {
	switch {
	case len(u.Put) == 1:
		return "put"
	case len(u.Patched) == 1:
		return "patched"
	case len(u.Withdrawn) == 1:
		return "withdrawn"
	}
	return "silent"
}

// A name that an update withdraws is not subtracted again because its hash is stale, or because it was unread.
func TestWithdrawnNamesCountOnce(t *testing.T) {
	s := NewStoreWithin("own", Limits{Services: 3})
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "a"), web("east", "b"), web("east", "c")))
	u := step(s, "east", Version{}, Version{1, 2}, []*Export{web("east", "d"), web("east", "e")}, named("a"))
	u.Stale = []Hash{Sealed(web("east", "a")).Hash}
	refused, err := s.Apply(u)
	if err != nil || len(refused) != 1 || len(said(s, "east")) != 3 {
		t.Errorf("error %v, refused %v, held %v, want no more than three", err, refused, said(s, "east"))
	}
}

// Two records under one hash are told by their content: the hash does not say which of them is held.
func TestOneHashOfTwoRecords(t *testing.T) {
	east := NewStore("own")
	u := &Update{Owner: "east", To: Version{1, 1}, Put: []Record{{web("east", "a"), 7}, {web("east", "b"), 7}}, Digest: 14}
	mustApply(t, east, u)
	for range 20 {
		standby := NewStore("own")
		mustApply(t, standby, &Update{Owner: "east", To: Version{1, 1}, Put: []Record{{web("east", "a"), 7}}, Digest: 7})
		mustApply(t, standby, east.SeenBy("own").Against("east", standby.Hashes("east")))
		if len(said(standby, "east")) != 2 {
			t.Fatalf("held %v", said(standby, "east"))
		}
	}
}

// Who leaves says that it means it; nobody waits for it, and it may come back.
func TestLeaving(t *testing.T) {
	own, leader, standby := NewStore("own"), NewStore("east"), NewStore("east")
	own.Announce(1, []*Export{web("own", "a"), web("own", "b")})
	for _, step := range []struct {
		about string
		do    func()
		left  bool
		n     int
	}{
		{"before", func() {}, false, 2},
		{"left", own.Leave, true, 0},
		{"left, and changed", func() { own.Set(web("own", "c")) }, true, 0},
		{"left, and a reader that remembers nothing", func() { standby = NewStore("east") }, true, 0},
		{"again", func() { own.Announce(2, []*Export{web("own", "a")}) }, false, 1},
	} {
		meant := leader.Capacity("own").Meant
		step.do()
		catchUp(t, own, leader, "own")
		catchUp(t, leader, standby, "own")
		for _, s := range []*Store{leader, standby} {
			o := s.Owners()[0]
			if o.Left != step.left || o.Exports != step.n || !s.Complete() || (s.Peers() == 0) != step.left {
				t.Errorf("%s: %+v, complete %t, %d peers", step.about, o, s.Complete(), s.Peers())
			}
		}
		if step.about == "left" && leader.Capacity("own").Meant == meant {
			t.Error("nothing says that it is meant")
		}
	}
}

// Who only says that it held something is told no name that it may not see: its hashes tell what it holds.
func TestWhoOnlySaysWhatItHasIsToldNoHiddenName(t *testing.T) {
	own := NewStore("own")
	own.Announce(1, []*Export{web("own", "secret"), web("own", "open")})
	before := own.SeenBy("east").Head("own")
	own.Set(only(web("own", "secret"), "west"))
	if u, ask := own.SeenBy("east").Since("own", before, false); u != nil || !ask {
		t.Errorf("told %+v, ask %t", u, ask)
	}
	if u := own.SeenBy("east").Against("own", []Hash{Sealed(web("own", "secret")).Hash}); len(u.Withdrawn) > 0 || len(u.Stale) != 1 {
		t.Errorf("told %+v", u)
	}
	if u, ask := own.SeenBy("east").Since("own", before, true); ask || len(u.Withdrawn) != 1 || !u.Meant {
		t.Errorf("who was told it here: told %+v, ask %t; want a withdrawal that is meant", u, ask)
	}
	own.Withdraw(named("open"))
	if u, ask := own.SeenBy("west").Since("own", own.SeenBy("west").Head("own"), false); u != nil || ask {
		t.Errorf("told %+v, ask %t", u, ask)
	}
}

// Other clusters see nothing of what third ones say, whatever those say of who may.
func TestNobodyElseIsToldOfAThirdCluster(t *testing.T) {
	own := NewStore("own")
	mustApply(t, own, whole(own, "east", Version{1, 1}, web("east", "open"), only(web("east", "for-west"), "west")))
	u, ask := own.SeenBy("west").Since("east", Head{}, false)
	if u != nil || ask || own.SeenBy("west").Against("east", nil) != nil || own.SeenBy("west").Head("east") != (Head{}) {
		t.Errorf("told %+v, ask %t", u, ask)
	}
	if len(own.owners["east"].sights.hidden) > 0 {
		t.Error("what is another's is counted for viewers that never see it")
	}
	catchUp(t, own, NewStore("own"), "east")
}

// A contest does not bring back who left.
func TestAnotherTermDoesNotUndoALeave(t *testing.T) {
	s := announced(web("own", "web"))
	s.Leave()
	if !s.Renew(s.LeastTerm()) {
		t.Fatal("no new term")
	}
	s.Set(web("own", "web"))
	if o := s.Owners()[0]; !o.Left || o.Exports > 0 {
		t.Errorf("%+v", o)
	}
}
