package xds

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/importer"
)

const localListener = "web.shop.svc.cluster.local:80"

// turn sets the gates, and waits until a View has them.
func (w *world) turn(t *testing.T, gates importer.Gates) {
	t.Helper()
	w.importer.SetGates(gates)
	for view := w.importer.View(); view.Gates != gates; view = w.importer.View() {
		select {
		case <-view.Replaced():
		case <-time.After(patience):
			t.Fatalf("no View has %+v", gates)
		}
	}
}

// lose calls until there is nobody to call.
func (c *caller) lose() {
	c.t.Helper()
	for {
		if _, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{}); err != nil {
			if status.Code(err) != codes.Unavailable {
				c.t.Fatalf("got %v, want Unavailable", err)
			}
			return
		}
	}
}

// regain calls until a backend answers. A call that began while there was nobody may still fail.
func (c *caller) regain(b *backend) {
	c.t.Helper()
	for {
		resp, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{})
		switch {
		case resp.GetServerId() == b.address.String():
			return
		case err == nil || status.Code(err) != codes.Unavailable:
			c.t.Fatalf("answered by %q, error %v, want %s", resp.GetServerId(), err, b.address)
		}
	}
}

// keepCalling calls one time after another, and fails the test for each call that fails. stop returns how often each
// backend answered.
func (c *caller) keepCalling() (stop func() map[string]int) {
	done, answers := make(chan struct{}), map[string]int{}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			resp, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{})
			if err != nil {
				c.t.Errorf("a call failed: %v", err)
				return
			}
			answers[resp.GetServerId()]++
		}
	})
	end := sync.OnceFunc(func() { close(done); group.Wait() })
	c.t.Cleanup(end)
	return func() map[string]int { end(); return answers }
}

// TestCallsToThisClusterGoOnWhileGatesTurn turns gates again and again under an application that calls its own cluster's
// service, which no cluster exports but another one of that name: no call fails, and none leaves the cluster while
// MCSClusterLocal is on. The clusterset's host goes and comes back meanwhile.
func TestCallsToThisClusterGoOnWhileGatesTurn(t *testing.T) {
	w := newWorld(t)
	own, next, other := newBackend(t), newBackend(t), newBackend(t)
	w.importer.SetOwn(webName, behind("own", own))
	w.say(t, "b", behind("b", other))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	near, far := newCallerTo(t, s, localListener), newCaller(t, s)
	near.reach(own)
	far.reach(other)

	stop := near.keepCalling()
	all := importer.DefaultGates()
	for _, off := range []importer.Gates{{Hosts: true, ClusterLocal: true}, {Discovery: true, ClusterLocal: true}, {ClusterLocal: true}} {
		w.turn(t, off)
		far.lose()
		w.turn(t, all)
		far.regain(other)
	}
	r := rand.New(rand.NewPCG(1, 4))
	coin := func() bool { return r.IntN(2) == 0 }
	for range 200 {
		w.turn(t, importer.Gates{Discovery: coin(), Hosts: coin(), ClusterLocal: true})
		near.reach(own)
	}
	if answers := stop(); len(answers) != 1 {
		t.Errorf("with MCSClusterLocal on, calls were answered by %v, want by %s alone", answers, own.address)
	}

	stop = near.keepCalling()
	for range 200 {
		w.turn(t, importer.Gates{Discovery: coin(), Hosts: coin(), ClusterLocal: coin()})
		near.reach(own)
	}
	for range 5 {
		w.turn(t, importer.Gates{Discovery: true, Hosts: coin(), ClusterLocal: false})
		w.importer.SetOwn(webName, behind("own"))
		near.reach(other)
		w.importer.SetOwn(webName, behind("own", own))
		near.reach(own)
		w.turn(t, importer.Gates{Discovery: coin(), Hosts: coin(), ClusterLocal: true})
		own, next = next, own
		w.importer.SetOwn(webName, behind("own", own))
		near.reach(own) // so it has taken what came before
		for range 20 {
			if id, err := near.call(); err != nil || id == other.address.String() {
				t.Fatalf("answered by %s, error %v, with MCSClusterLocal on again", id, err)
			}
		}
	}
	stop()
	w.turn(t, all)
	far.regain(other)
	if n := s.Refusals(); n != 0 {
		t.Errorf("%d responses refused", n)
	}
}
