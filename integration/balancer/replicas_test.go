package balancer_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/balancer"
)

const mesh = "mesh.example"

// replica is a port of cluster a that holds the connections it serves.
type replica struct {
	id   *trust.Identity
	port *trust.Port
	stop func()

	mu      sync.Mutex
	route   trust.Route
	changed chan struct{}
}

// turn is what a replica learns of the leader.
func (r *replica) turn(to trust.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.changed)
	r.changed = make(chan struct{})
	r.route, r.route.Changed = to, r.changed
}

func (r *replica) current() trust.Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.route
}

func (r *replica) address() string { return r.port.Addr().String() }

func newIdentity(t *testing.T, ca *trust.Authority, cluster federation.ClusterID) *trust.Identity {
	t.Helper()
	files, err := ca.WriteMember(t.TempDir(), cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.Load(mesh, cluster, files)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func startReplica(t *testing.T, ca *trust.Authority) *replica {
	t.Helper()
	r := &replica{id: newIdentity(t, ca, "a"), changed: make(chan struct{})}
	r.turn(trust.Route{})
	var err error
	if r.port, err = trust.Listen(t.Context(), "localhost:0", r.id, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	r.port.Route(r.current)
	r.serve(t, r.port.Listener(trust.ProtoGRPC))
	r.stop = start(t, r.port.Start)
	return r
}

// serve greets each connection by the name of who speaks, until its listener ends.
func (r *replica) serve(t *testing.T, l net.Listener) {
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(conn, string(conn.(*trust.Conn).Peer()))
			serving.Go(func() {
				io.Copy(io.Discard, conn)
				conn.Close()
			})
		}
	})
}

// reach dials cluster a at an address as cluster b, and says which replica has answered.
func reach(t *testing.T, id *trust.Identity, address string, replicas ...*replica) (*trust.Conn, *replica, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn, err := id.Dial(ctx, address, "a", trust.ProtoGRPC)
	if err != nil {
		return nil, nil, errors.Join(err, ctx.Err())
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	greeting := make([]byte, 1)
	if _, err := io.ReadFull(conn, greeting); err != nil {
		return nil, nil, err
	}
	if string(greeting) != "b" {
		t.Errorf("the replica takes us for %q", greeting)
	}
	for _, r := range replicas {
		if conn.ConnectionState().PeerCertificates[0].Equal(r.id.Certificate()) {
			return conn, r, nil
		}
	}
	t.Fatal("no replica's certificate was shown")
	return nil, nil, nil
}

// Two replicas behind one address: whichever is picked, the leader answers, known by its certificate.
func TestTheLeaderAnswersBehindABalancer(t *testing.T) {
	ca, err := trust.NewAuthority(mesh, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	one, two, client := startReplica(t, ca), startReplica(t, ca), newIdentity(t, ca, "b")
	for seed, leader := range []*replica{one, two} {
		standby := map[*replica]*replica{one: two, two: one}[leader]
		leader.turn(trust.Route{Serve: true})
		standby.turn(trust.Route{To: leader.address()})
		b, _ := startBalancer(t, uint64(seed), one.address(), two.address())
		for range 32 {
			if _, got, err := reach(t, client, b.Addr().String(), one, two); got != leader {
				t.Errorf("the leader did not answer: %v", err)
			}
		}
		if handed := b.Handed(); handed[one.address()] == 0 || handed[two.address()] == 0 {
			t.Errorf("the balancer picked only one: %v", handed)
		}
	}
}

// changes are the orders in which two replicas can learn that the lead goes from the first to the second.
var changes = map[string][]func(b *balancer.Balancer, one, two *replica){
	"the new leader learns first": {
		func(_ *balancer.Balancer, _, two *replica) { two.turn(trust.Route{Serve: true}) },
		func(_ *balancer.Balancer, one, two *replica) { one.turn(trust.Route{To: two.address()}) },
	},
	"the old leader learns first": { // between, each takes the other for the leader
		func(_ *balancer.Balancer, one, two *replica) { one.turn(trust.Route{To: two.address()}) },
		func(_ *balancer.Balancer, _, two *replica) { two.turn(trust.Route{Serve: true}) },
	},
	"nobody leads for a while": {
		func(_ *balancer.Balancer, one, _ *replica) { one.turn(trust.Route{}) },
		func(_ *balancer.Balancer, _, two *replica) { two.turn(trust.Route{}) },
		func(_ *balancer.Balancer, _, two *replica) { two.turn(trust.Route{Serve: true}) },
		func(_ *balancer.Balancer, one, two *replica) { one.turn(trust.Route{To: two.address()}) },
	},
	"the old leader dies": {
		func(_ *balancer.Balancer, one, _ *replica) { one.stop() },
		func(_ *balancer.Balancer, _, two *replica) { two.turn(trust.Route{Serve: true}) },
		func(b *balancer.Balancer, _, two *replica) { b.SetBackends(two.address()) },
	},
}

func TestAChangeOfLeaderBehindABalancer(t *testing.T) {
	ca, err := trust.NewAuthority(mesh, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	client := newIdentity(t, ca, "b")
	for name, steps := range changes {
		t.Run(name, func(t *testing.T) {
			one, two := startReplica(t, ca), startReplica(t, ca)
			one.turn(trust.Route{Serve: true})
			two.turn(trust.Route{To: one.address()})
			b, _ := startBalancer(t, 1, one.address(), two.address())
			old, got, err := reach(t, client, two.address(), one, two)
			if got != one {
				t.Fatalf("the leader did not answer: %v", err)
			}
			for _, step := range steps {
				step(b, one, two)
				dialInBetween(t, client, b, one, two)
			}
			if _, err := old.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("what was passed on to the former leader: %v, want the end", err)
			}
			for range 8 {
				if _, got, err := reach(t, client, b.Addr().String(), one, two); got != two {
					t.Errorf("the new leader did not answer: %v", err)
				}
			}
		})
	}
}

// dialInBetween dials while the replicas may not agree: every attempt ends, and only who takes itself for
// the leader answers.
func dialInBetween(t *testing.T, client *trust.Identity, b *balancer.Balancer, one, two *replica) {
	t.Helper()
	for range 8 {
		_, got, err := reach(t, client, b.Addr().String(), one, two)
		if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an attempt hung: %v", err)
		}
		if got != nil && !got.current().Serve {
			t.Error("a standby answered")
		}
	}
}
