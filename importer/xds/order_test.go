package xds

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// A listener is there before what its requests follow, also while the last one is not answered.
func TestListenersComeBeforeRoutes(t *testing.T) {
	for variant, begin := range map[string]func(*testing.T, *store) *talk{"state of the world": newTalk, "incremental": newDeltaTalk} {
		t.Run(variant, func(t *testing.T) {
			s := newStore()
			both := func(version string) {
				step := at(listenerKind, "in", version)
				step[key{routeKind, "to"}] = newResource(text{"to", version})
				s.apply(step)
			}
			both("1")
			c := begin(t, s)
			names := map[kind][]string{listenerKind: {"in"}, routeKind: {"to"}}
			first := func(k kind) []string {
				return c.request(request{kind: k, names: names[k], subscribe: names[k]})
			}
			answer := func(k kind, nonce string) []string {
				return c.request(request{kind: k, nonce: nonce, names: names[k]})
			}
			c.want("asked for", first(listenerKind), "LDS 1: in@1")
			c.want("asked for", first(routeKind), "RDS 2: to@1")
			answer(listenerKind, "1")
			answer(routeKind, "2")
			both("2")
			c.want("both changed", c.hear(), "LDS 3: in@2", "RDS 4: to@2")
			answer(routeKind, "4")
			both("3")
			c.want("both changed, the listener before is not answered", c.hear())
			c.want("answered", answer(listenerKind, "3"), "LDS 5: in@3", "RDS 6: to@3")
		})
	}
}

// What may have to wait for its client is sent by no worker: nobody else waits for it.
func TestWhoReadsSlowlyTakesNoTurnOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		s.store.apply(at(clusterKind, "large", strings.Repeat("v", 32<<10)))
		s.store.apply(at(assignmentKind, "web", "1"))
		for range 2 * workers() {
			c := &wireless{hand: func(r *response) error {
				if r.kind != clusterKind { // behind what is unread
					time.Sleep(10 * time.Second)
				}
				return nil
			}}
			defer c.begin(t, s)()
			c.say(wants(clusterKind, "large"))
			c.say(wants(assignmentKind, "web"))
		}
		synctest.Wait() // all workers would have one of these now
		quick, told := newQuick(t, s, assignmentKind)
		begin := time.Now()
		s.store.apply(at(assignmentKind, "web", "2"))
		if got := <-told; got != "2" || time.Since(begin) != 0 {
			t.Errorf("one that reads is told %s after %s, want 2 at once", got, time.Since(begin))
		}
		quick()
	})
}

// newQuick begins a client of web that answers what it reads at once, and has read the first version. The versions that come
// then are told.
func newQuick(t *testing.T, s *Server, k kind) (end func(), told chan string) {
	told = make(chan string, 100)
	c := &wireless{}
	c.hand = func(r *response) error {
		c.say(takes(r))
		told <- r.bodies[0].version
		return nil
	}
	end = c.begin(t, s)
	c.say(wants(k, "web"))
	if got := <-told; got != "1" {
		t.Errorf("it is first told %s", got)
	}
	synctest.Wait()
	return end, told
}

// What waits for the budget is sent as it is by then, once, and its stream is not locked meanwhile.
func TestWhatChangesDuringTheWaitIsWhatIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		s.budget = budget{rate.NewLimiter(1, 1)}
		s.store.apply(at(assignmentKind, "web", "1"))
		end, told := newQuick(t, s, assignmentKind)
		begin := time.Now()
		s.store.apply(at(assignmentKind, "web", "2"))
		synctest.Wait()
		for _, c := range s.clients.all() {
			if c.mu.TryLock() {
				c.mu.Unlock()
			} else {
				t.Error("a stream is locked while it waits for the budget: it takes no request, and nobody may look at it")
			}
		}
		s.store.apply(at(assignmentKind, "web", "3"))
		if got := <-told; got != "3" || time.Since(begin).Round(time.Millisecond) != time.Second {
			t.Errorf("told %s after %s, want 3 after a second", got, time.Since(begin))
		}
		time.Sleep(10 * time.Second)
		if len(told) > 0 {
			t.Errorf("then it is told %s, which is nothing new", <-told)
		}
		end()
	})
}

// A response costs one for each 16 KiB: other pushes wait for a large one.
func TestALargeResponseIsPaidFor(t *testing.T) {
	for _, tt := range []struct {
		size int // of a version, which a response holds twice
		wait time.Duration
	}{{7 << 10, 0}, {42 << 10, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			s := newDeafServer(t)
			s.budget = budget{rate.NewLimiter(1, 6)}
			s.store.apply(at(clusterKind, "web", strings.Repeat("v", tt.size)))
			sent := make(chan kind, 10)
			c := &wireless{hand: func(r *response) error { sent <- r.kind; return nil }}
			end := c.begin(t, s)
			begin := time.Now()
			c.say(wants(clusterKind, "web"))
			<-sent
			c.say(wants(assignmentKind, "web"))
			<-sent
			if got := time.Since(begin).Round(time.Millisecond); got != tt.wait {
				t.Errorf("after a version of %d bytes the next response comes after %s, want %s", tt.size, got, tt.wait)
			}
			end()
		})
	}
}

// cores makes the runtime use so many until the test ends.
func cores(t *testing.T, n int) {
	t.Helper()
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func TestWorkersLeaveACore(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 1, 3: 2, 8: 7} {
		cores(t, n)
		if got := workers(); got != want {
			t.Errorf("%d workers on %d cores, want %d", got, n, want)
		}
	}
	cores(t, 4)
	synctest.Test(t, func(t *testing.T) {
		s, _ := newPiped(t, 1)
		synctest.Wait()
		begun, done := make(chan struct{}, 10), make(chan struct{})
		for range cap(begun) {
			s.turns.ring(&turn{do: func() { begun <- struct{}{}; <-done }})
		}
		synctest.Wait()
		if len(begun) != 3 {
			t.Errorf("a server has %d workers on 4 cores, want 3", len(begun))
		}
		close(done)
	})
}

func TestTheBudgetIsOfCores(t *testing.T) {
	for _, n := range []int{1, 4} {
		cores(t, n)
		b := newBudget().limiter
		if b.Limit() != rate.Limit(10_000*n) || b.Burst() != 2_500*n {
			t.Errorf("on %d cores %v responses in a second and %d at once, want 10,000 and a quarter of that for each core", n, b.Limit(), b.Burst())
		}
	}
}

// Clusters and listeners are told only if clients take them; the client keeps what it had until they do again.
func TestNoClusterOrListenerIsToldThatClientsWouldRefuse(t *testing.T) {
	for k, tt := range map[kind]struct {
		wrong content
		first string // of the world
	}{
		clusterKind:  {clusterSpec{}, webCluster},
		listenerKind: {apiListener{name: "x"}, webListener},
	} {
		t.Run(shortTypes[k], func(t *testing.T) {
			w := newWorld(t)
			w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
			w.open(t)
			s, _ := w.newServer(t, func(s *Server) { s.warming = 0 }) // nobody asks for assignments
			s.store.apply(at(k, "x", "1"))
			c := dialDelta(t, s, nil)
			c.add(typeURLs[k])
			names := []string{tt.first, "x"}
			slices.Sort(names)
			c.ack(c.want(typeURLs[k], names...))
			s.store.apply(map[key]*resource{{k, "x"}: newResource(tt.wrong)})
			c.pass()
			why := s.Quarantined()
			if len(why) != 1 || !strings.Contains(why[shortTypes[k]+" x"], "validate "+shortTypes[k]+": ") {
				t.Errorf("in quarantine: %q", why)
			}
			s.store.apply(at(k, "x", "2"))
			c.ack(c.want(typeURLs[k], "x"))
			if why := s.Quarantined(); len(why) > 0 {
				t.Errorf("still in quarantine: %q", why)
			}
		})
	}
	for name, m := range map[string]proto.Message{
		"a cluster without a name": &clusterv3.Cluster{},
		"what gRPC does not know":  &clusterv3.Cluster{Name: "x", LbPolicy: clusterv3.Cluster_MAGLEV},
	} {
		if b, err := pack("x", m); err == nil || b != nil {
			t.Errorf("%s is told", name)
		}
	}
}

// What a client is owed because of its cluster stays owed, whatever it asks and whatever changes to and fro before it may be sent.
func TestAnAssignmentStaysOwed(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	c := newTalk(t, s)
	c.want("asked for", c.ask(clusterKind, ""), "CDS 1: web@1")
	c.want("asked for", c.ask(assignmentKind, "", "web"), "EDS 2: web@1")
	c.ask(clusterKind, "1")
	s.apply(at(clusterKind, "web", "2"))
	c.want("the cluster changed, the assignment is not answered", c.hear(), "CDS 3: web@2")
	c.want("asked for once more, with an older nonce", c.ask(assignmentKind, "1", "web"))
	for _, version := range []string{"2", "1"} {
		s.apply(at(assignmentKind, "web", version))
		c.want("to and fro", c.hear())
	}
	c.want("answered", c.ask(assignmentKind, "2", "web"), "EDS 4: web@1")
}

// Of an assignment that is not there a response of the state of the world would say nothing.
func TestNothingIsSaidOfAnAssignmentThatIsNotThere(t *testing.T) {
	s := newStore()
	s.apply(at(assignmentKind, "web", "1"))
	c := newTalk(t, s)
	c.want("asked for", c.ask(assignmentKind, "", "web"), "EDS 1: web@1")
	c.ask(assignmentKind, "1", "web")
	c.session.update(key{assignmentKind, "web"}, nil)
	c.want("not there", c.hear())
}

// A server may end right when a client has come.
func TestAServerThatEndsWhenAClientComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newDeafServer(t)
		c := newStream(s, &wireless{ctx: context.Background()}, true)
		if err := c.join(); err != nil {
			t.Fatal(err)
		}
		s.clients.end(status.Error(codes.Unavailable, "the end"))
		if err := <-c.done; status.Code(err) != codes.Unavailable || len(s.Clients()) != 0 {
			t.Errorf("it ended with %v, %d are left", err, len(s.Clients()))
		}
	})
}
