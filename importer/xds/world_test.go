package xds

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
)

var webName = federation.ServiceName{Namespace: "shop", Name: "web"}

// world is a member cluster "own" as far as xDS sees it: what is exported, and the View of it.
type world struct {
	store    *federation.Store
	importer *importer.Importer
	seq      map[federation.ClusterID]uint64
}

func newWorld(t *testing.T) *world {
	return newWorldOf(t, federation.NewStore("own"), federation.DefaultPatience)
}

func newWorldOf(t *testing.T, store *federation.Store, patience federation.Patience) *world {
	w := &world{store: store, seq: map[federation.ClusterID]uint64{}}
	w.importer = importer.New(w.store, importer.Config{Patience: patience})
	w.importer.SetNamespace("shop", true)
	run(t, w.importer.Start)
	return w
}

// say makes other clusters export just these, each its whole set.
func (w *world) say(t *testing.T, cluster federation.ClusterID, exports ...*federation.Export) {
	t.Helper()
	w.seq[cluster]++
	if err := federationtest.Say(w.store, cluster, federation.Version{Term: 1, Seq: w.seq[cluster]}, exports...); err != nil {
		t.Fatal(err)
	}
}

// open makes the View ready once it holds web.
func (w *world) open(t *testing.T) {
	t.Helper()
	for view := w.importer.View(); view.Service(webName) == nil; view = w.importer.View() {
		select {
		case <-view.Replaced():
		case <-time.After(patience):
			t.Fatal("web is not in the View")
		}
	}
	w.importer.Open()
}

// run starts a loop and ends it with the test; it returns a way to end it before.
func run(t *testing.T, start func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := start(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(stop)
	return stop
}

// serve starts a Server of the world.
func (w *world) serve(t *testing.T, address string) (s *Server, stop func()) {
	t.Helper()
	s, err := New(Config{
		Address: address, Cluster: "own", View: w.importer.View, Ready: w.importer.Ready(),
		Credentials: insecure.NewCredentials(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, run(t, s.Start)
}

// backend is a gRPC server behind a service; it answers with its own address.
type backend struct {
	testpb.UnimplementedTestServiceServer
	address netip.AddrPort
	leave   func() // as a server that is shut down in order
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{address: netip.MustParseAddrPort(l.Addr().String())}
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, b)
	var group sync.WaitGroup
	group.Go(func() {
		if err := server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Error(err)
		}
	})
	b.leave = server.GracefulStop
	t.Cleanup(func() { server.Stop(); group.Wait() })
	return b
}

// UnaryCall says who answered.
func (b *backend) UnaryCall(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{ServerId: b.address.String()}, nil
}

// behind is web in shop, served by backends on ports of their own.
func behind(cluster federation.ClusterID, backends ...*backend) *federation.Export {
	e := export(cluster)
	for _, b := range backends {
		e.Subsets = append(e.Subsets, federation.Subset{
			Ports:     []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: b.address.Port()}},
			Endpoints: []federation.Endpoint{{Address: b.address.Addr(), Zone: "z1", Region: "r1", Conditions: ready}},
		})
	}
	e.Normalize()
	return e
}

// patience bounds what a test waits for; it is no expectation.
const patience = 30 * time.Second
