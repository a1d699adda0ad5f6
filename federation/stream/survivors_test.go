package stream

import (
	"encoding/hex"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// What stands in place of a record that could not be read is what is held here: a peer may not put something else
// there, which nobody would look into; our own leader may, as it holds what it says.
func TestAPeerDoesNotSayWhatStandsInPlaceOfAnUnreadRecord(t *testing.T) {
	rule.Covers(t, "#31")
	for role, want := range map[Role][2]string{Peer: {"10.1.0.1", ""}, Leader: {"10.6.6.6", "10.6.6.7"}} {
		store := federation.NewStore("east")
		if _, err := store.Apply(wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web", "10.1.0.1"))); err != nil {
			t.Fatal(err)
		}
		u := wholeSet("west", federation.Version{Term: 1, Seq: 2})
		u.Unread = []federation.Unread{
			{Name: named("never"), Hash: 8, Former: export("west", "never", "10.6.6.7")},
			{Name: webName, Hash: 7, Former: export("west", "web", "10.6.6.6")},
		}
		u.Digest = 15
		peer, greeting := federation.ClusterID("west"), west()
		if role == Leader {
			peer, greeting = "east", hello("east", "", wireVersion, wireVersion)
			greeting.GetHello().Have = nil
		}
		if err := handleAll(NewSession(store, peer, role, epoch), greeting, says(t, u)); err != nil {
			t.Fatalf("%s: %v", role, err)
		}
		for i, name := range []string{"web", "never"} {
			got := ""
			if e := store.Export("west", named(name)); e != nil {
				got = e.Subsets[0].Endpoints[0].Address.String()
			}
			if got != want[i] {
				t.Errorf("what a %s says stands for %s: %q, want %q", role, name, got, want[i])
			}
		}
		if store.Version("west") != u.To {
			t.Errorf("%s: the update was not taken", role)
		}
	}
}

// bear goes on until neither side has anything to say, and bears that records are refused.
func bear(t *testing.T, a, b *end) {
	t.Helper()
	for busy := true; busy; {
		busy = a.send(t) || b.send(t)
		for _, e := range []*end{a, b} {
			for len(e.inbox) > 0 {
				busy = true
				if _, err := e.take(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// What was beyond a limit is asked for with the next heartbeat after there came to be room, on the same stream, and
// once.
func TestWhatWasBeyondALimitIsAskedForOnceThereIsRoom(t *testing.T) {
	small := federation.NewStoreWithin("east", federation.Limits{Services: 1})
	small.Announce(1, nil)
	owner, taker := talk(newStore("west", export("west", "a"), export("west", "b")), small)
	bear(t, owner, taker)
	held, other := named("a"), named("b")
	if small.Export("west", held) == nil {
		held, other = other, held
	}
	if small.Export("west", held) == nil || small.Export("west", other) != nil {
		t.Fatalf("held are %v: want one of two", exportsOf(small, "west"))
	}
	owner.store.Withdraw(held)
	bear(t, owner, taker)
	if small.Export("west", other) != nil || small.Head("west") != owner.store.Head("west") {
		t.Fatal("nothing is left to ask for")
	}
	owner.beat(t)
	bear(t, owner, taker)
	owner.agrees(t)
	if small.Export("west", other) == nil {
		t.Error("there is room, and it is not held")
	}
	owner.exchanged()
	owner.beat(t)
	bear(t, owner, taker)
	if taker.sent > 0 {
		t.Errorf("asked again with %d bytes", taker.sent)
	}
}

// A leader that lags what its standby holds from before tells something older: that is passed over, and the stream goes
// on.
func TestALeaderThatLagsItsStandbyIsHeardOn(t *testing.T) {
	store := federation.NewStore("east")
	for _, u := range []*federation.Update{
		wholeSet("north", federation.Version{Term: 2, Seq: 1}, export("north", "web", "10.2.0.1")),
		wholeSet("west", federation.Version{Term: 2, Seq: 5}, export("west", "web", "10.1.0.5")),
	} {
		if _, err := store.Apply(u); err != nil {
			t.Fatal(err)
		}
	}
	s := NewSession(store, "east", Leader, epoch)
	greeting := hello("east", "", wireVersion, wireVersion)
	greeting.GetHello().Have = nil
	if err := handleAll(s, greeting); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		about string
		says  *federation.Update
		holds federation.Version
	}{
		{"an older version", wholeSet("west", federation.Version{Term: 2, Seq: 4}, export("west", "web", "10.1.0.4")), federation.Version{Term: 2, Seq: 5}},
		{"an older term", wholeSet("west", federation.Version{Term: 1, Seq: 9}, export("west", "web", "10.1.0.9")), federation.Version{Term: 2, Seq: 5}},
		{"it caught up", wholeSet("west", federation.Version{Term: 2, Seq: 6}, export("west", "web", "10.1.0.6")), federation.Version{Term: 2, Seq: 6}},
	} {
		refused, err := s.Handle(says(t, step.says), epoch)
		if err != nil || len(refused) > 0 || store.Version("west") != step.holds {
			t.Errorf("%s: refused %v, error %v, held at %s, want %s", step.about, refused, err, store.Version("west"), step.holds)
		}
	}
	if e := store.Export("west", webName); e == nil || !e.Equal(export("west", "web", "10.1.0.6")) {
		t.Errorf("held is %+v", e)
	}
}

// While an update comes, its heartbeats tell of a version that is not there yet, however many there are: nothing is
// asked for, neither between two parts nor between two pieces of one.
func TestNothingIsAskedForInTheMiddleOfAnUpdate(t *testing.T) {
	r, set := rand.New(rand.NewPCG(1, 2)), many("east", 400)
	for _, e := range set {
		noise := make([]byte, 4<<10)
		for i := range noise {
			noise[i] = byte(r.Uint32())
		}
		e.Annotations = map[string]string{"noise": hex.EncodeToString(noise)} // which does not compress
	}
	a, b := talk(newStore("east", set...), newStore("west"))
	a.receive(t)
	for a.send(t) {
	}
	parts, pieces := 0, 0
	for b.receive(t) {
		r := &b.session.receiver
		open, within := r.of("east").open, len(r.in.data) > 0
		if !open && !within {
			continue
		}
		for range 2 * maxLate {
			f, err := a.session.Tick(epoch)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := b.session.Handle(f, epoch); err != nil {
				t.Fatal(err)
			}
		}
		if within {
			pieces++
		} else {
			parts++
		}
		if len(r.wants) > 0 {
			t.Fatalf("asked for %v; between parts %t, between pieces %t", r.wants, !within, within)
		}
	}
	if parts == 0 || pieces == 0 {
		t.Fatalf("heartbeats came between parts %d times, between pieces %d times: want both", parts, pieces)
	}
	a.settle(t)
	a.agrees(t)
}

// directory is what gossip knows, as a test changes it.
type directory struct {
	mu      sync.Mutex
	list    []Member
	changed chan struct{}
}

func (d *directory) get() ([]Member, <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list, d.changed
}

func (d *directory) set(list ...Member) {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.list, d.changed = list, make(chan struct{})
}

// A cluster that has left, and that gossip knows no more, is not dialed on; one that only fell silent is, for ever.
func TestAClusterThatHasLeftIsNotDialedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		known := &directory{list: []Member{{"leaves", "leaves"}, {"silent", "silent"}}, changed: make(chan struct{})}
		east := n.runWith(t, newStore("east"), "east", Standing{Leads: true}, known.get)
		leaves, silent := n.start(t, "leaves"), n.start(t, "silent")
		for _, m := range []*member{leaves, silent} {
			m.store.Set(export(m.store.Self(), "web", "10.1.0.1"))
			east.holds(t, export(m.store.Self(), "web", "10.1.0.1"))
		}
		leaves.store.Leave()
		reaches(t, east.store, "that it has left", func() bool { return east.exchange.hasLeft("leaves") })
		if east.exchange.hasLeft("silent") {
			t.Error("who is there is said to have left")
		}
		leaves.stop()
		silent.stop()
		known.set()
		synctest.Wait()
		before := map[string]int{"leaves": n.dialed("east", "leaves"), "silent": n.dialed("east", "silent")}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if more := n.dialed("east", "leaves") - before["leaves"]; more > 0 {
			t.Errorf("who has left was dialed %d times more", more)
		}
		if more := n.dialed("east", "silent") - before["silent"]; more < 20 {
			t.Errorf("who fell silent was dialed %d times more in ten minutes", more)
		}
		east.stop()
	})
}
