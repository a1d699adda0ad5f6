package xds

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	grpcxds "google.golang.org/grpc/xds"
)

// caller is an application that dials a service over xDS.
type caller struct {
	t   *testing.T
	ctx context.Context
	testpb.TestServiceClient
}

// newCaller dials web in shop as the clusterset has it.
func newCaller(t *testing.T, s *Server) *caller {
	t.Helper()
	return newCallerTo(t, s, webListener)
}

func newCallerTo(t *testing.T, s *Server, target string) *caller {
	t.Helper()
	bootstrap := fmt.Sprintf(`{
		"xds_servers": [{"server_uri": %q, "channel_creds": [{"type": "insecure"}]}],
		"node": {"id": %q}
	}`, s.Addr(), t.Name())
	resolver, err := grpcxds.NewXDSResolverWithConfigForTesting([]byte(bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient("xds:///"+target, grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return &caller{t, ctx, testpb.NewTestServiceClient(conn)}
}

// call returns who answered.
func (c *caller) call() (string, error) {
	resp, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{}, grpc.WaitForReady(true))
	return resp.GetServerId(), err
}

// reach calls until each of the backends has answered; no call may fail.
func (c *caller) reach(backends ...*backend) {
	c.t.Helper()
	missing := map[string]bool{}
	for _, b := range backends {
		missing[b.address.String()] = true
	}
	for len(missing) > 0 {
		id, err := c.call()
		if err != nil {
			c.t.Fatalf("%v, while %v did not answer yet", err, missing)
		}
		delete(missing, id)
	}
}

func TestGRPCReachesTheEndpointsOfAllClusters(t *testing.T) {
	w := newWorld(t)
	b1, b2, b3 := newBackend(t), newBackend(t), newBackend(t)
	w.say(t, "b", behind("b", b1))
	w.say(t, "c", behind("c", b2))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	c := newCaller(t, s)
	c.reach(b1, b2)

	w.say(t, "c", behind("c", b2, b3))
	c.reach(b1, b2, b3)

	w.say(t, "b")
	c.reach(b2, b3)
	if n := s.Refusals(); n != 0 {
		t.Errorf("%d responses refused", n)
	}

	w.say(t, "c")
	for {
		if _, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{}); err != nil {
			if status.Code(err) != codes.Unavailable {
				t.Errorf("service withdrawn: got %v, want Unavailable", err)
			}
			return
		}
	}
}

func TestARestartIsNotNoticedByCallers(t *testing.T) {
	before := newWorld(t)
	b1, b2 := newBackend(t), newBackend(t)
	before.say(t, "b", behind("b", b1))
	before.open(t)
	s, stop := before.serve(t, "127.0.0.1:0")
	c := newCaller(t, s)
	c.reach(b1)

	var failed atomic.Pointer[error]
	var calls atomic.Int64
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if _, err := c.UnaryCall(c.ctx, &testpb.SimpleRequest{}); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
			calls.Add(1)
		}
	})
	end := sync.OnceFunc(func() { close(done); group.Wait() })
	defer end()

	stop()
	c.reach(b1)
	after := newWorld(t)
	again, _ := after.serve(t, s.Addr().String())
	c.reach(b1)
	after.say(t, "b", behind("b", b1))
	after.open(t)
	after.say(t, "b", behind("b", b1, b2))
	c.reach(b1, b2)
	end()
	if err := failed.Load(); err != nil {
		t.Errorf("a call failed: %v", *err)
	}
	if calls.Load() == 0 || again.Refusals() != 0 {
		t.Errorf("%d calls, %d refusals", calls.Load(), again.Refusals())
	}
}
