package stream

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
)

// holding returns the store of east's leader, which holds these sets of other clusters.
func holding(t testing.TB, own []*federation.Export, others ...*federation.Update) *federation.Store {
	t.Helper()
	s := newStore("east", own...)
	for _, u := range others {
		if refused, err := s.Apply(u); err != nil || len(refused) > 0 {
			t.Fatalf("refused %v, error %v", refused, err)
		}
	}
	return s
}

// heard returns when a store says that a cluster was heard.
func heard(s *federation.Store, owner federation.ClusterID) time.Time {
	for _, o := range s.Owners() {
		if o.Cluster == owner {
			return o.Heard
		}
	}
	return time.Time{}
}

// A standby holds what its leader holds, its own cluster included, at the same versions, and follows every change.
func TestStandbyHoldsWhatItsLeaderHolds(t *testing.T) {
	leader := holding(t, many("east", 3),
		wholeSet("north", federation.Version{Term: 7, Seq: 70}, export("north", "web", "10.1.0.1")),
		wholeSet("west", federation.Version{Term: 8, Seq: 80}, export("west", "web", "10.2.0.1"), export("west", "goes")))
	leader.Restore("south", []*federation.Export{export("south", "web", "10.3.0.1")})
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	agreeAll := func() {
		t.Helper()
		for _, owner := range []federation.ClusterID{"east", "north", "west"} {
			agree(t, x.store, y.store, owner)
		}
	}
	agreeAll()
	if y.store.Export("south", webName) != nil {
		t.Error("what the leader only remembers was passed on")
	}
	leader.Set(export("east", "new", "10.0.0.9"))
	later := wholeSet("west", federation.Version{Term: 8, Seq: 90}, export("west", "web", "10.2.0.2"))
	later.Stale = []federation.Hash{federation.Sealed(export("west", "goes")).Hash, federation.Sealed(export("west", "web", "10.2.0.1")).Hash}
	if _, err := leader.Apply(later); err != nil {
		t.Fatal(err)
	}
	x.settle(t)
	agreeAll()
	if y.store.Export("west", named("goes")) != nil {
		t.Error("a withdrawal did not come")
	}
}

// What changes of several owners while the standby lags meets in one update of each.
func TestAStandbyThatLagsGetsOneUpdateOfEachOwner(t *testing.T) {
	leader := holding(t, nil, wholeSet("west", federation.Version{Term: 1, Seq: 1}))
	x, y := feed(leader, federation.NewStore("east"))
	west, far := talk(newStore("west"), leader)
	x.settle(t)
	west.settle(t)
	for i := range 100 {
		leader.Set(export("east", "web", fmt.Sprintf("10.0.0.%d", i+1)))
		west.store.Set(export("west", "web", fmt.Sprintf("10.2.0.%d", i+1)))
		west.settle(t)
	}
	for x.send(t) {
	}
	list := y.updates(t)
	if len(list) != 2 || len(list[0].Put) != 1 || len(list[1].Put) != 1 || list[0].Owner == list[1].Owner {
		t.Errorf("updates: %+v", list)
	}
	x.settle(t)
	agree(t, west.store, y.store, "west")
	agree(t, x.store, y.store, "east")
	west.agrees(t)
	far.agrees(t)
}

// A standby that comes back is sent nothing again; another leader of another cluster costs no records.
func TestAStandbyThatComesBackIsSentNothingAgain(t *testing.T) {
	set := many("west", 1_000)
	leader := holding(t, many("east", 1_000), wholeSet("west", federation.Version{Term: 1, Seq: 1}, set...))
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	for about, change := range map[string]func(){
		"nothing": func() {},
		"another leader of west": func() {
			u := wholeSet("west", federation.Version{Term: leader.Version("west").Term + 1, Seq: 1}, set...)
			u.Put = nil
			if _, err := leader.Apply(u); err != nil {
				t.Fatal(err)
			}
		},
		"our own term":      func() { leader.Renew(2) },
		"a restarted agent": func() { y.store = restarted(y.store, "east", "west") },
	} {
		change()
		x.exchanged()
		x.reconnect()
		x.resettle(t)
		if n := x.exchanged(); n > 1000 {
			t.Errorf("%s: %d bytes", about, n)
		}
		agree(t, x.store, y.store, "east")
		agree(t, x.store, y.store, "west")
	}
}

// restarted returns the store of an agent that remembers these clusters of before, and leads no more.
func restarted(s *federation.Store, clusters ...federation.ClusterID) *federation.Store {
	again := federation.NewStore(s.Self())
	for _, c := range clusters {
		again.Restore(c, exportsOf(s, c))
	}
	return again
}

// A standby that takes over, and the leader that becomes its standby, resend nothing but the new version.
func TestTakeoverResendsNothing(t *testing.T) {
	leader := holding(t, many("east", 1_000), wholeSet("west", federation.Version{Term: 1, Seq: 1}, many("west", 1_000)...))
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	y.store.Announce(2, exportsOf(y.store, "east"))
	x.store.Follow()
	back, _ := feed(y.store, x.store)
	back.resettle(t)
	if n := back.exchanged(); n > 1000 {
		t.Errorf("%d bytes", n)
	}
	agree(t, x.store, y.store, "east")
	agree(t, x.store, y.store, "west")
	if v := x.store.Version("east"); v.Term != 2 {
		t.Errorf("the former leader holds %s", v)
	}
}

// Promise 8: how long ago a cluster was heard, the standby knows from the leader's heartbeats; of a cluster that the
// leader never heard it knows nothing; the leader hears itself.
func TestStandbyKnowsWhenEachClusterWasHeard(t *testing.T) {
	leader := holding(t, nil, wholeSet("west", federation.Version{Term: 1, Seq: 1}), wholeSet("north", federation.Version{Term: 1, Seq: 1}), wholeSet("south", federation.Version{Term: 1, Seq: 1}))
	leader.Heard("west", epoch.Add(-90*time.Second))
	leader.Heard("north", epoch.Add(time.Second)) // of a clock that was set back
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	if got := heard(y.store, "west"); !got.IsZero() {
		t.Errorf("before a heartbeat: %s", got)
	}
	x.beat(t)
	y.receive(t)
	for owner, want := range map[federation.ClusterID]time.Time{"west": epoch.Add(-90 * time.Second), "north": epoch, "south": {}, "east": epoch} {
		if got := heard(y.store, owner); !got.Equal(want) {
			t.Errorf("%s was heard at %s, want %s", owner, got, want)
		}
	}
	absurd := beat("south")
	absurd.GetHeartbeat().Heads[0].HeardAgo = 1<<64 - 1
	if _, err := y.session.Handle(absurd, epoch); err != nil || !heard(y.store, "south").Equal(epoch.AddDate(-1, 0, 0)) {
		t.Errorf("error %v, heard at %s", err, heard(y.store, "south"))
	}
}

// Nothing flows from a standby to its leader but that it lives.
func TestAStandbySaysNothing(t *testing.T) {
	x, y := feed(newStore("east"), holding(t, many("east", 3), wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web"))))
	y.store.Follow()
	for range 3 {
		x.resettle(t)
		y.store.Heard("west", epoch)
	}
	if x.store.Version("west") != (federation.Version{}) || len(x.store.NamesIn("shop")) > 0 {
		t.Errorf("the leader holds %+v", x.store.Owners())
	}
	f, err := y.session.Tick(epoch)
	if err != nil || proto.Size(f) > 2 {
		t.Errorf("heartbeat %v, error %v", f, err)
	}
	if f, err := y.session.Next(); f != nil || err != nil || y.session.Wake() != nil {
		t.Errorf("frame %v, error %v", f, err)
	}
}

// More owners than a frame tells of take turns in the heartbeats, and all of them fit into a hello.
func TestHeadsOfManyOwnersTakeTurns(t *testing.T) {
	const owners = 2*maxHeads + 10
	leader := newStore("east")
	id := func(i int) federation.ClusterID { // as long as an ID may be
		return federation.ClusterID(fmt.Sprintf("%063d", i))
	}
	for i := range owners {
		if _, err := leader.Apply(wholeSet(id(i), federation.Version{Term: 1, Seq: 1}, export(id(i), "web"))); err != nil {
			t.Fatal(err)
		}
		leader.Heard(id(i), epoch.Add(-time.Duration(i+1)*time.Second))
	}
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	told := map[string]int{}
	for range 3 {
		x.beat(t)
		f := y.inbox[0]
		if n := len(f.GetHeartbeat().GetHeads()); n != maxHeads || proto.Size(f) > maxFrame {
			t.Errorf("%d heads, %d bytes", n, proto.Size(f))
		}
		for _, h := range f.GetHeartbeat().GetHeads() {
			told[h.GetOwner()]++
		}
		x.settle(t)
	}
	if len(told) != owners+1 {
		t.Errorf("three heartbeats tell of %d owners", len(told))
	}
	for i := range owners {
		agree(t, x.store, y.store, id(i))
		if want := epoch.Add(-time.Duration(i+1) * time.Second); !heard(y.store, id(i)).Equal(want) {
			t.Fatalf("%s was heard at %s, want %s", id(i), heard(y.store, id(i)), want)
		}
	}
	if f := y.session.Hello(); len(f.GetHello().GetHave()) != maxHeads || proto.Size(f) > maxFrame {
		t.Errorf("%d heads in the hello, %d bytes", len(f.GetHello().GetHave()), proto.Size(f))
	}
	x.reconnect()
	x.resettle(t)
	for i := range owners {
		agree(t, x.store, y.store, id(i))
	}
}

// What a leader serves in place of a record that it could not read, its standby serves too.
func TestStandbyServesTheFormerStateOfAnUnreadRecord(t *testing.T) {
	leader := holding(t, nil, wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web", "10.1.0.1")))
	u := wholeSet("west", federation.Version{Term: 1, Seq: 2})
	u.Unread = []federation.Unread{{Name: webName, Hash: 7}}
	u.Digest = 7
	if _, err := leader.Apply(u); err != nil {
		t.Fatal(err)
	}
	x, y := feed(leader, federation.NewStore("east"))
	x.settle(t)
	if e := y.store.Export("west", webName); e == nil || !e.Equal(leader.Export("west", webName)) || y.store.Head("west") != leader.Head("west") {
		t.Errorf("the standby serves %+v, the leader %+v", e, leader.Export("west", webName))
	}
}
