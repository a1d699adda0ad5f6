package xds

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/hansa-mcs/hansa/importer"
)

const (
	// maxRequest fits as many names of such a length as a stream may have, and what describes the client.
	maxRequest = maxNames*(maxNameLength+4) + 64<<10
	// maxStreams of one connection: a client has one, a proxy between may join some.
	maxStreams = 128
)

// Server answers xDS clients. Its methods may be called from any goroutine.
type Server struct {
	config   Config
	listener net.Listener
	store    *store
	refusals atomic.Uint64

	grace     time.Duration // how long clients have to let go when the server ends
	stopping  chan struct{}
	receivers sync.WaitGroup
}

// New binds the address, so that a wrong one is known at once, and answers nobody yet. Start must be
// called; it gives the socket back.
func New(config Config) (*Server, error) {
	if err := config.complete(); err != nil {
		return nil, fmt.Errorf("xDS server: %w", err)
	}
	listener, err := net.Listen("tcp", config.Address)
	if err != nil {
		return nil, fmt.Errorf("xDS server: listen on %q: %w", config.Address, err)
	}
	return &Server{
		config:   config,
		listener: listener,
		store:    newStore(),
		grace:    3 * time.Second,
		stopping: make(chan struct{}),
	}, nil
}

// Addr returns the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Refusals returns how many responses clients have refused (NACK) so far. Each is a fault of ours.
func (s *Server) Refusals() uint64 { return s.refusals.Load() }

// Start serves from Ready on until ctx ends, and blocks until no goroutine of the server is left: a few
// seconds after that at most. Clients that connect before Ready wait. It may be called once. The error
// is of a socket that broke.
func (s *Server) Start(ctx context.Context) error {
	defer func() { _ = s.listener.Close() }()
	select {
	case <-s.config.Ready:
	case <-ctx.Done():
		return nil
	}
	view := s.show(importer.Empty())
	server := s.register()
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { s.follow(ctx, view) })
	group.Go(func() {
		<-ctx.Done()
		s.end(server)
	})
	s.config.Log.Info("serving xDS", "address", s.Addr().String())
	err := server.Serve(s.listener)
	cancel()
	group.Wait()
	s.receivers.Wait()
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("xDS server: serve on %s: %w", s.Addr(), err)
	}
	return nil
}

func (s *Server) register() *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(s.config.Credentials),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, &streams{Server: s})
	return server
}

// end asks the clients to go elsewhere, and cuts those that do not read.
func (s *Server) end(server *grpc.Server) {
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		server.GracefulStop()
		close(done)
	})
	close(s.stopping)
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		server.Stop()
	}
	group.Wait()
}
