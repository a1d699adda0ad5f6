package federation

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// At a limit all is taken; what would go beyond is refused alone, and told.
func TestEachLimitHoldsAndIsTheLimit(t *testing.T) {
	one := big("east", "s-0", 10)
	for what, c := range map[string]struct {
		limits Limits
		most   int // so many exports of the size of one
		told   string
	}{
		"services":  {Limits{Services: 3}, 3, "one service more: beyond a limit: want at most 3 in all of one cluster"},
		"endpoints": {Limits{Endpoints: 45}, 4, "its endpoints: beyond a limit: want at most 45 in all of one cluster"},
		"bytes":     {Limits{Bytes: 2 * one.size()}, 2, fmt.Sprintf("its size: beyond a limit: want at most %d in all of one cluster", 2*one.size())},
	} {
		s := NewStoreWithin("own", c.limits)
		var list []*Export
		for i := range c.most {
			list = append(list, big("east", fmt.Sprintf("s-%d", i), 10))
		}
		mustApply(t, s, whole(s, "east", Version{1, 1}, list...))
		u := step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{big("east", "s-9", 10), edited(list[0], firstTerminating)})
		refused, err := s.Apply(u)
		if err != nil || len(refused) != 1 || refused[0].Error() != "record shop/s-9 of east: "+c.told {
			t.Errorf("%s: error %v, refused %v", what, err, refused)
		}
		if s.Head("east") != (Head{u.To, u.Digest, c.most + 1}) || len(said(s, "east")) != c.most || s.Export("east", named("s-0")) == list[0] {
			t.Errorf("%s: %+v, held %v, want the others to go on", what, s.Head("east"), said(s, "east"))
		}
		if slices.Contains(s.Hashes("east"), u.Put[0].Hash) || !records(s, "east")[named("s-9")].unread {
			t.Errorf("%s: what was refused counts as held", what)
		}
	}
}

// What makes room makes it for the same update, and for the next.
func TestRoomThatIsMadeCanBeTaken(t *testing.T) {
	s := NewStoreWithin("own", Limits{Services: 2})
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "a"), web("east", "b")))
	mustApply(t, s, whole(s, "east", Version{1, 2}, web("east", "a"), web("east", "c")))
	mustApply(t, s, step(s, "east", Version{1, 2}, Version{1, 3}, []*Export{web("east", "d")}, named("a")))
	if refused, err := s.Apply(step(s, "east", Version{1, 3}, Version{1, 4}, []*Export{web("east", "e")})); err != nil || len(refused) != 1 {
		t.Fatalf("error %v, refused %v", err, refused)
	}
	mustApply(t, s, step(s, "east", Version{1, 4}, Version{1, 5}, nil, named("c")))
	mustApply(t, s, step(s, "east", Version{1, 5}, Version{1, 6}, []*Export{web("east", "e")}))
	if len(said(s, "east")) != 2 || s.Export("east", named("e")) == nil {
		t.Errorf("held %v", said(s, "east"))
	}
}

// What one update brings counts together.
func TestRecordsOfOneUpdateShareTheLimit(t *testing.T) {
	s := NewStoreWithin("own", Limits{Services: 2, Endpoints: 20})
	u := step(s, "east", Version{}, Version{1, 1}, []*Export{big("east", "a", 10), big("east", "b", 10), web("east", "c")})
	if refused, err := s.Apply(u); err != nil || len(refused) != 1 {
		t.Errorf("error %v, refused %v", err, refused)
	}
	u = step(s, "east", Version{1, 1}, Version{1, 2}, []*Export{big("east", "a", 11), big("east", "b", 9)})
	if refused, err := s.Apply(u); err != nil || len(refused) != 1 || s.owner("east").usage.endpoints != 19 {
		t.Errorf("error %v, refused %v, %d endpoints", err, refused, s.owner("east").usage.endpoints)
	}
}

// A record that grows beyond is refused and its former state stays; one that shrinks is taken, also by who is beyond
// already, as after a limit was lowered.
func TestARecordThatGrowsBeyondKeepsItsFormerState(t *testing.T) {
	s := NewStoreWithin("own", Limits{Endpoints: 25})
	former := big("east", "a", 10)
	mustApply(t, s, whole(s, "east", Version{1, 1}, former, big("east", "b", 10)))
	for i, e := range []*Export{big("east", "a", 16), edited(big("east", "a", 20), firstTerminating)} {
		v := s.Version("east")
		refused, err := s.Apply(step(s, "east", v, Version{1, uint64(i + 2)}, []*Export{e}))
		if err != nil || len(refused) != 1 || s.Export("east", former.Name) != former {
			t.Errorf("error %v, refused %v", err, refused)
		}
	}
	s.limits.Endpoints = 15
	mustApply(t, s, step(s, "east", Version{1, 3}, Version{1, 4}, []*Export{big("east", "a", 9)}))
	if n := s.owner("east").usage.endpoints; n != 19 {
		t.Errorf("%d endpoints, want 19", n)
	}
}

// A patch is measured by what it makes.
func TestAPatchBeyondALimitIsRefusedAlone(t *testing.T) {
	s := NewStoreWithin("own", Limits{Endpoints: 20})
	e, other := big("east", "a", 20), web("east", "b")
	mustApply(t, s, whole(s, "east", Version{1, 1}, e, other))
	u := patchTo(s, Sealed(e).Hash, e, big("east", "a", 21))
	u.Put = sealed([]*Export{edited(other, func(e *Export) { e.Network = "vpc" })})
	leadsTo(s, u)
	refused, err := s.Apply(u)
	if err != nil || len(refused) != 1 || s.Head("east") != (Head{u.To, u.Digest, 2}) || s.Export("east", e.Name) != e {
		t.Errorf("error %v, refused %v, head %+v", err, refused, s.Head("east"))
	}
	if s.Export("east", other.Name) == other {
		t.Error("the rest of the update is not taken")
	}
}

// Each cluster has its own limits, and this one none: neither what its exporter says, nor what its leader passes on.
func TestOurOwnClusterIsNotLimited(t *testing.T) {
	s := NewStoreWithin("own", Limits{Services: 1, Endpoints: 1, Bytes: 1})
	s.Announce(1, []*Export{web("own", "a", "10.0.0.1"), web("own", "b", "10.0.0.1")})
	s.Set(web("own", "c", "10.0.0.1", "10.0.0.2"))
	if len(said(s, "own")) != 3 {
		t.Errorf("said %v", said(s, "own"))
	}
	standby := NewStoreWithin("own", Limits{Services: 1, Endpoints: 1, Bytes: 1})
	catchUp(t, s, standby, "own")

	s = NewStoreWithin("own", Limits{Services: 1})
	mustApply(t, s, whole(s, "east", Version{1, 1}, web("east", "a")))
	mustApply(t, s, whole(s, "west", Version{1, 1}, web("west", "a")))
}

// Not given is the default, field by field.
func TestLimitsNotGivenAreTheDefaults(t *testing.T) {
	if got := NewStore("own").limits; got != DefaultLimits {
		t.Errorf("limits %+v", got)
	}
	want := DefaultLimits
	want.Endpoints = 7
	if got := NewStoreWithin("own", Limits{Endpoints: 7}).limits; got != want {
		t.Errorf("limits %+v", got)
	}
}

// Nothing a peer sends may grow memory without bound, be it refused: of names without a record there are no more
// than services by default, or as many as may be held if that is more; so whoever exports many times the limit is served
// as much as is within it.
func TestRefusedRecordsAreBounded(t *testing.T) {
	const most = 3
	bare := DefaultLimits.Services
	s := NewStoreWithin("own", Limits{Services: most})
	var all []*Export
	for i := range 5 * most {
		all = append(all, web("east", fmt.Sprintf("s-%02d", i)))
	}
	if refused, err := s.Apply(whole(s, "east", Version{1, 1}, all...)); err != nil || len(refused) != 4*most || len(said(s, "east")) != most {
		t.Fatalf("error %v, refused %d, held %v", err, len(refused), said(s, "east"))
	}
	nameless := func(from, to int) *Update {
		v := s.Version("east")
		u := &Update{Owner: "east", From: v, To: Version{1, v.Seq + 1}}
		for i := from; i < to; i++ {
			u.Unread = append(u.Unread, Unread{Name: named(fmt.Sprintf("t-%d", i)), Hash: 7})
		}
		leadsTo(s, u)
		return u
	}
	mustApply(t, s, nameless(4*most, bare))
	u := nameless(bare, bare+1)
	refuse(t, s, u, errOther)
	u.More = true
	refuse(t, s, u, errOther)
	refuse(t, s, step(s, "east", s.Version("east"), u.To, []*Export{web("east", "one-more")}), errOther)
	again := step(s, "east", s.Version("east"), u.To, []*Export{web("east", "s-10", "10.0.0.1"), web("east", "s-11", "10.0.0.1")})
	if refused, err := s.Apply(again); err != nil || len(refused) != 2 {
		t.Errorf("error %v, refused %v: want names that are known to be refused alone", err, refused)
	}
	for i := range 3 { // what is refused and withdrawn in turn
		var names []ServiceName
		for name, h := range records(s, "east") {
			if h.export == nil {
				names = append(names, name)
			}
		}
		mustApply(t, s, &Update{Owner: "east", To: Version{2, 1}, More: true, Withdrawn: names})
		u := nameless(bare+i*bare, bare+(i+1)*bare)
		u.From, u.To, u.More = Version{}, Version{2, 1}, true
		mustApply(t, s, u)
	}
	if o := s.owner("east"); len(o.records) > most+bare || len(o.parted) > most+bare {
		t.Errorf("%d records and %d names are held", len(o.records), len(o.parted))
	}
}

// What is remembered is bounded as what is heard is: of each cluster as much as fits in the order of the names, which is
// what is taken of one that says all anew. What is refused comes back by itself, once there is room.
func TestTheLimitsHoldForWhatIsRemembered(t *testing.T) {
	five := []*Export{web("east", "e"), web("east", "b"), web("east", "c"), web("east", "d"), web("east", "a")}
	for what, c := range map[string]struct {
		limits  Limits
		said    []*Export
		held    []string
		refused string // the first
	}{
		"services": {Limits{Services: 2}, five, []string{"a", "b"}, "record shop/c of east: one service more: beyond a limit: want at most 2 in all of one cluster"},
		"endpoints": {
			Limits{Endpoints: 7}, []*Export{big("east", "b", 9), big("east", "c", 2), big("east", "a", 5)}, []string{"a", "c"},
			"record shop/b of east: its endpoints: beyond a limit: want at most 7 in all of one cluster",
		},
	} {
		s, fresh := NewStoreWithin("own", c.limits), NewStoreWithin("own", c.limits)
		refused := s.Restore("east", c.said)
		if len(refused) != len(c.said)-len(c.held) || refused[0].Error() != c.refused || !errors.Is(refused[0], ErrLimit) {
			t.Errorf("%s: refused %v", what, refused)
		}
		if !slices.Equal(namesSaid(s), c.held) || s.Owners()[0].Exports != len(c.held) {
			t.Errorf("%s: held %v", what, namesSaid(s))
		}
		for _, s := range []*Store{s, fresh} {
			again, err := s.Apply(whole(s, "east", Version{1, 1}, c.said...))
			if err != nil || fmt.Sprint(again) != fmt.Sprint(refused) || s.Head("east").Records != len(c.said) || !slices.Equal(namesSaid(s), c.held) {
				t.Errorf("%s: error %v, refused %v, head %+v, held %v", what, err, again, s.Head("east"), namesSaid(s))
			}
		}
	}
	s := NewStoreWithin("own", Limits{Services: 2})
	s.Restore("east", five)
	if refused, err := s.Apply(whole(s, "east", Version{1, 1}, five...)); err != nil || len(refused) != 3 || s.Room("east") {
		t.Errorf("error %v, refused %v", err, refused)
	}
	mustApply(t, s, step(s, "east", Version{1, 1}, Version{1, 2}, nil, named("a")))
	if !s.Room("east") {
		t.Error("no room is told")
	}
	if refused, err := s.Apply(whole(s, "east", Version{1, 2}, five[:4]...)); err != nil || len(refused) != 2 || !slices.Equal(namesSaid(s), []string{"b", "c"}) {
		t.Errorf("error %v, refused %v, held %v", err, refused, namesSaid(s))
	}
}

// namesSaid returns the services that s holds of east.
func namesSaid(s *Store) (names []string) {
	for name := range said(s, "east") {
		names = append(names, name.Name)
	}
	slices.Sort(names)
	return names
}

// What is remembered of this cluster has no limit, and of one that was heard nothing is taken from memory.
func TestWhatIsRememberedOfOurselvesIsNotLimited(t *testing.T) {
	s := NewStoreWithin("own", Limits{Services: 1})
	if refused := s.Restore("own", []*Export{web("own", "a"), web("own", "b")}); len(refused) > 0 || len(said(s, "own")) != 2 {
		t.Errorf("our own: refused %v", refused)
	}
	mustApply(t, s, whole(s, "west", Version{1, 1}, web("west", "z")))
	if refused := s.Restore("west", []*Export{web("west", "a"), web("west", "b")}); len(refused) > 0 || s.Export("west", named("z")) == nil {
		t.Errorf("of one that was heard: refused %v, held %v", refused, said(s, "west"))
	}
}

// What a leader serves in the place of what it could not read is bounded at its standby, whose limits may be lower.
func TestTheLimitsHoldForWhatStandsInstead(t *testing.T) {
	leader, standby := NewStore("own"), NewStoreWithin("own", Limits{Services: 1})
	mustApply(t, leader, whole(leader, "east", Version{1, 1}, web("east", "a"), web("east", "b"), web("east", "c")))
	u := step(leader, "east", Version{1, 1}, Version{1, 2}, nil)
	u.Unread = []Unread{{Name: named("a"), Hash: 7}, {Name: named("b"), Hash: 8}}
	leadsTo(leader, u)
	mustApply(t, leader, u)
	refused, err := standby.Apply(leader.SeenBy("own").Against("east", nil))
	if err != nil || len(refused) != 2 || len(said(standby, "east")) != 1 || standby.Head("east") != leader.Head("east") {
		t.Errorf("error %v, refused %v, held %v", err, refused, said(standby, "east"))
	}
	for name := range said(standby, "east") {
		mustApply(t, standby, step(standby, "east", Version{1, 2}, Version{1, 3}, nil, name))
	}
	if !standby.Room("east") {
		t.Error("no room is told")
	}
}

// What an Export takes is at least its texts, whatever field they are in; and all that was taken is given back.
func TestUsageCountsAllThatIsHeld(t *testing.T) {
	e := full()
	length := 0
	noText := []string{ // a few known words, short names, and what a peer cannot give
		".Cluster", ".Name", ".Type", ".IPFamilies", ".SessionAffinity", ".InternalTrafficPolicy", ".Ports.Protocol", ".Subsets.Ports.Protocol", ".Subsets.Endpoints.Node",
	}
	var lengthen func(v reflect.Value, path string)
	lengthen = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !slices.Contains(noText, path+"."+f.Name) {
					lengthen(v.Field(i), path+"."+f.Name)
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				lengthen(v.Index(i), path)
			}
		case reflect.String:
			v.SetString(text(5000))
			length += 5000
		}
	}
	lengthen(reflect.ValueOf(e).Elem(), "")
	e.Labels, e.Annotations, e.Extra = map[string]string{text(300): text(300)}, map[string]string{text(300): text(300)}, make([]byte, 900)
	if length += 1200 + 900; e.size() < length {
		t.Errorf("size %d of an Export with %d bytes of text", e.size(), length)
	}

	r := random(t)
	s := announced()
	for range 300 {
		v := s.Version("own")
		name := fmt.Sprintf("s-%d", r.IntN(5))
		if s.Set(anyBig(r, "own", name)); r.IntN(3) == 0 {
			s.Withdraw(named(name))
		}
		var want usage
		for _, e := range said(s, "own") {
			want = want.plus(e)
		}
		if got := s.owner("own").usage; got != want {
			t.Fatalf("after %s: usage %+v, want %+v", v, got, want)
		}
	}
}

// What was beyond a limit may fit once something takes less, and not because something changed; what could not be read
// needs no room.
func TestRoomIsToldOnce(t *testing.T) {
	s := NewStoreWithin("own", Limits{Endpoints: 30})
	mustApply(t, s, whole(s, "east", Version{1, 1}, big("east", "a", 20)))
	room := func(want bool, about string) {
		t.Helper()
		if got := s.Room("east"); got != want || s.Room("east") {
			t.Errorf("%s: room %t", about, got)
		}
	}
	room(false, "nothing was refused")
	unread := step(s, "east", Version{1, 1}, Version{1, 2}, nil)
	unread.Unread = []Unread{{Name: named("spoiled"), Hash: 7}}
	leadsTo(s, unread)
	if _, err := s.Apply(unread); err != nil {
		t.Fatal(err)
	}
	mustApply(t, s, step(s, "east", Version{1, 2}, Version{1, 3}, []*Export{big("east", "a", 19)}))
	room(false, "what cannot be read needs no room")
	if refused, err := s.Apply(step(s, "east", Version{1, 3}, Version{1, 4}, []*Export{big("east", "b", 15)})); err != nil || len(refused) != 1 {
		t.Fatalf("error %v, refused %v", err, refused)
	}
	room(false, "just refused")
	mustApply(t, s, step(s, "east", Version{1, 4}, Version{1, 5}, []*Export{edited(big("east", "a", 19), firstTerminating)}))
	room(false, "as large as before")
	mustApply(t, s, step(s, "east", Version{1, 5}, Version{1, 6}, []*Export{big("east", "a", 10)}))
	room(true, "smaller")
}
