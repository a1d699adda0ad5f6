package stream

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
)

// pair runs two agents of east, of which the first leads, and west, whose streams are with whoever leads.
func pair(t *testing.T, n *network) (leader, standby, west *member) {
	t.Helper()
	west = n.start(t, "west")
	leader = n.lead(t, newStore("east"), "east-0", "west")
	standby = n.run(t, federation.NewStore("east"), "east-1", Standing{Leader: "east-0"}, "west")
	return leader, standby, west
}

// A standby takes everything from its leader, and has no other stream: it dials nobody else, and takes none.
func TestAStandbyHasOneStreamToItsLeader(t *testing.T) {
	n := newNetwork()
	leader, standby, west := pair(t, n)
	own, other := export("east", "web", "10.0.0.1"), export("west", "api", "10.1.0.1")
	leader.store.Set(own)
	west.store.Set(other)
	standby.holds(t, own)
	standby.holds(t, other)
	if times := n.dialed("east", "west"); times != 1 {
		t.Errorf("west was dialed %d times, by the leader alone: want 1", times)
	}
	_, err := west.exchange.dial(t.Context(), Member{Cluster: "east", Address: "east-1"})
	if status.Code(err) != codes.Aborted || !strings.Contains(err.Error(), errNotLeading.Error()) {
		t.Errorf("a stream to the standby: %v", err)
	}
	if _, err := leader.exchange.dial(t.Context(), Member{Cluster: "east", Address: "east-1"}); !strings.Contains(reason(err), errNotLeading.Error()) {
		t.Errorf("a stream of another agent of east to the standby: %v", err)
	}
}

// When another agent leads, the streams of the former leader end and those of the new one begin: each side goes on
// where it was.
func TestAChangeOfStandingMovesTheStreams(t *testing.T) {
	n := newNetwork()
	first, second, west := pair(t, n)
	own, other := export("east", "web", "10.0.0.1"), export("west", "api", "10.1.0.1")
	first.store.Set(own)
	west.store.Set(other)
	second.holds(t, own)
	second.holds(t, other)
	west.holds(t, own)
	for term := range uint64(4) {
		first.store.Follow()
		first.standing.set(Standing{Leader: second.address})
		second.store.Announce(term+2, exportsOf(second.store, "east"))
		second.standing.set(Standing{Leads: true})
		for i, ip := range []string{"10.0.1.1", "10.0.1.2"} {
			own, other = export("east", "web", ip), export("west", "api", ip)
			second.store.Set(own)
			west.store.Set(other)
			for _, m := range []*member{first, second, west} {
				m.holds(t, own)
				m.holds(t, other)
			}
			if v := west.store.Version("east"); v.Term != term+2 || v.Seq != uint64(i+2) {
				t.Errorf("west holds %s", v)
			}
		}
		first, second = second, first
	}
}

// Who leads goes on leading whatever the leader's address is said to be: no stream ends.
func TestALeaderGoesOnWhateverItsAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		leader, standby, west := pair(t, n)
		synctest.Wait()
		before := west.link("east")
		for _, address := range []string{"east-0", "", "east-9"} {
			leader.standing.set(Standing{Leads: true, Leader: address})
			own := export("east", "web", "10.0.0.1")
			own.Annotations = map[string]string{"leader": address}
			leader.store.Set(own)
			standby.holds(t, own)
			west.holds(t, own)
		}
		if before == nil || west.link("east") != before || n.dialed("east", "west") != 1 || n.dialed("east", "east-0") != 1 {
			t.Error("a stream ended")
		}
		for _, m := range []*member{standby, west, leader} {
			m.stop()
		}
	})
}

// A leader feeds a bounded number of standbys, and another one when one of them goes.
func TestMoreStandbysThanMayAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := New(Config{Store: newStore("east"), Standing: func() (Standing, <-chan struct{}) { return Standing{Leads: true}, nil }, Log: quiet})
		var serving sync.WaitGroup
		serve := func() (end func(), err <-chan error) {
			s, ended := newTape(t), make(chan error, 1)
			serving.Go(func() { ended <- x.serve(s.ctx, s, "east", s.cancel) })
			synctest.Wait()
			return func() { s.cancel(nil); synctest.Wait() }, ended
		}
		var ends []func()
		for range maxStandbys {
			end, _ := serve()
			ends = append(ends, end)
		}
		_, refused := serve()
		select {
		case err := <-refused:
			if err == nil || !strings.Contains(err.Error(), "more than 8 standbys") {
				t.Errorf("one standby more: %v", err)
			}
		default:
			t.Error("one standby more is fed")
		}
		ends[3]()
		end, ended := serve()
		select {
		case err := <-ended:
			t.Errorf("a standby in the place of another: %v", err)
		default:
		}
		for _, end := range append(ends, end) {
			end()
		}
		serving.Wait()
		x.moving.Wait()
		if n := x.standbys.Load(); n != 0 {
			t.Errorf("%d standbys are counted", n)
		}
	})
}

// Of two leaders of a cluster the one with the greater term is heard: its stream takes the place of the other's, which
// is not taken back, however often the other one dials.
func TestOfTwoLeadersTheGreaterTermIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		start := func(s *federation.Store, address string, peers ...federation.ClusterID) *member {
			return n.lead(t, s, address, peers...)
		}
		west := start(newStore("west"), "west")
		old := start(newStore("east", export("east", "web", "10.0.0.1")), "east-0", "west")
		west.holds(t, export("east", "web", "10.0.0.1"))

		next := federation.NewStore("east")
		next.Announce(2, []*federation.Export{export("east", "web", "10.0.0.2")})
		lead := start(next, "east-1", "west")
		west.holds(t, export("east", "web", "10.0.0.2"))
		synctest.Wait()
		kept, dials := west.link("east"), n.dialed("east", "west")

		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if west.link("east") != kept {
			t.Error("the stream changed")
		}
		if more := n.dialed("east", "west") - dials; more < 10 || more > 60 {
			t.Errorf("the former leader dialed %d times in five minutes", more)
		}
		old.store.Set(export("east", "old", "10.0.0.9"))
		lead.store.Set(export("east", "new", "10.0.0.3"))
		west.holds(t, export("east", "new", "10.0.0.3"))
		if west.store.Exports(named("old")) != nil {
			t.Error("the former leader is heard")
		}
		lead.stop() // then the former one is refused for its versions, and leads again in a greater term
		time.Sleep(time.Minute)
		synctest.Wait()
		if rival, _ := old.store.Contested(); rival.Term != 2 {
			t.Errorf("the former leader is contested by %s", rival)
		}
		old.store.Renew(3)
		west.holds(t, export("east", "old", "10.0.0.9"))
		old.stop()
		west.stop()
	})
}

// A former leader's stream, however it is opened, does not outlast its standing.
func TestWhoStopsLeadingEndsItsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		east := n.lead(t, newStore("east"), "east")
		west := n.lead(t, newStore("west"), "west", "east")
		standby := n.run(t, federation.NewStore("east"), "east-1", Standing{Leader: "east"})
		synctest.Wait()
		if east.link("west") == nil || len(east.exchange.Streams()) != 2 {
			t.Fatalf("streams: %+v", east.exchange.Streams())
		}
		east.standing.set(Standing{})
		synctest.Wait()
		if east.link("west") != nil || len(east.exchange.Streams()) != 0 || len(standby.exchange.Streams()) != 0 {
			t.Errorf("streams: %+v", east.exchange.Streams())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		<-ctx.Done()
		if west.link("east") != nil {
			t.Error("there is a stream to who does not lead")
		}
		for _, m := range []*member{standby, west, east} {
			m.stop()
		}
	})
}

// A stream that others open to an agent that has just begun to lead lives, even if the agent's own streams of before
// have not ended yet.
func TestAStreamToWhoBeginsToLeadLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, became, opened := newTape(t), make(chan struct{}), make(chan struct{})
		x := New(Config{Store: newStore("east"), Members: func() ([]Member, <-chan struct{}) { return nil, nil }, Log: quiet})
		var serving sync.WaitGroup
		asked := 0
		x.config.Standing = func() (Standing, <-chan struct{}) {
			switch asked++; asked {
			case 1:
				return Standing{}, became
			case 2: // who asks goes on when the stream is open
				serving.Go(func() { _ = x.serve(s.ctx, s, "west", s.cancel) })
				<-opened
			case 3:
				close(opened)
			}
			return Standing{Leads: true}, nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		serving.Go(func() { x.keepStanding(ctx) })
		synctest.Wait()
		close(became)
		synctest.Wait()
		if asked < 3 || s.ctx.Err() != nil {
			t.Errorf("asked %d times, the stream: %v", asked, context.Cause(s.ctx))
		}
		cancel()
		s.cancel(nil)
		serving.Wait()
		x.moving.Wait()
	})
}
