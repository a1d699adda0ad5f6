package gossip_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// startTLS runs a member on a real port of this machine, and returns its gossip and its host:port.
func startTLS(t *testing.T, ca *trust.Authority, cluster federation.ClusterID, seeds ...string) (*gossip.Gossip, string) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	files, err := ca.WriteMember(t.TempDir(), cluster, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	id, err := trust.Load("mesh.example", cluster, files)
	if err != nil {
		t.Fatal(err)
	}
	port, err := trust.Listen(t.Context(), "localhost:0", id, log)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("localhost", strconv.Itoa(port.Addr().(*net.TCPAddr).Port))
	g, err := gossip.New(gossip.Config{
		Cluster:   cluster,
		Advertise: address,
		Seeds:     seeds,
		Listener:  port.Listener(trust.ProtoGossip),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (gossip.Conn, error) {
			return id.Dial(ctx, address, want, trust.ProtoGossip)
		},
		Heads: func() gossip.Heads { return gossip.Heads{cluster: {Term: 1, Seq: 2}} },
		Log:   log,
	})
	if err != nil {
		t.Fatal(err)
	}
	run(t, port.Start, g.Start)
	return g, address
}

// run starts the parts and, at the end of the test, ends them, the last first.
func run(t *testing.T, starts ...func(context.Context) error) {
	for _, start := range starts {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := start(ctx); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(func() {
			cancel()
			wg.Wait()
		})
	}
}

func waitForMembers(t *testing.T, g *gossip.Gossip, want int) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		changed := g.Changed()
		if len(g.Members()) == want {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s sees %v, want %d members", g.Node(), g.Members(), want)
		}
	}
}

func TestThreeMembersOverTLSByHostName(t *testing.T) {
	ca, err := trust.NewAuthority("mesh.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a, seed := startTLS(t, ca, "a")
	b, _ := startTLS(t, ca, "b", seed)
	c, _ := startTLS(t, ca, "c", seed)
	for _, g := range []*gossip.Gossip{a, b, c} {
		waitForMembers(t, g, 2)
	}
	if got := b.Members()[0]; got.Cluster != "a" || got.Address != seed {
		t.Errorf("b's first member is %+v", got)
	}
	if got := b.Seen()["a"]; got != (federation.Version{Term: 1, Seq: 2}) {
		t.Errorf("b has seen a at %v", got)
	}
}
