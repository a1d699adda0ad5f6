package xds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/importer"
)

const (
	// maxRequest fits as many names as a stream may have, of a usual length, with their versions.
	maxRequest = 4 << 20
	// maxStreams of one connection: a client has one, a proxy between may join some.
	maxStreams = 32
	// bufferSize is of what a connection reads and writes in one go. Most requests and responses are small, and there may
	// be thousands of connections.
	bufferSize = 8 << 10
	// window is how much of requests may be on its way. It is fixed: to find out a better one gRPC would send a ping for
	// almost every request, which takes a third of the time of a push.
	window = 64 << 10
	// spareConnections are for those that ask for nothing yet, or are turned away.
	spareConnections = 64
)

// Server answers xDS clients. Its methods may be called from any goroutine.
type Server struct {
	config   Config
	listener net.Listener
	store    *store
	budget   budget
	turns    *turns

	hosts     routes // of the goroutine that shows Views
	audiences audiences
	clients   clients
	origins   origins
	said      *slog.Logger // what clients do wrong
	refusals  atomic.Uint64
	pushes    atomic.Uint64
	cuts      atomic.Uint64
	turned    atomic.Uint64
	serving   atomic.Bool // the first View is shown

	grace    time.Duration  // how long clients have to let go when the server ends
	patience time.Duration  // how long a client may leave unread what it is sent
	warming  time.Duration  // how long routes wait for a client to ask for the assignments of its clusters
	streams  sync.WaitGroup // streams that are there, and their goroutines
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
		budget:   newBudget(),
		turns:    newTurns(),
		clients:  clients{most: config.MaxClients, open: map[*stream]struct{}{}},
		said:     newMuffled(config.Log.Handler()),
		grace:    3 * time.Second,
		patience: 20 * time.Second,
		warming:  5 * time.Second,
	}, nil
}

// Addr returns the address that the server is bound to.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Refusals returns how many responses clients have refused (NACK) so far. Each is a fault of ours, but where an Envoy cannot
// listen where its own node says.
func (s *Server) Refusals() uint64 { return s.refusals.Load() }

// Pushes returns how many responses have been sent so far.
func (s *Server) Pushes() uint64 { return s.pushes.Load() }

// Cuts returns how many clients have been cut so far because they did not read.
func (s *Server) Cuts() uint64 { return s.cuts.Load() }

// TurnedAway returns how often a client was turned away so far because as many as may be were connected, in all or from
// its address.
func (s *Server) TurnedAway() uint64 { return s.turned.Load() }

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
	s.store.apply(fixtures())
	view := s.show(importer.Empty())
	s.serving.Store(true)
	server := s.register()
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(func() { s.follow(ctx, view) })
	var working sync.WaitGroup
	for range workers() {
		working.Go(s.turns.work)
	}
	group.Go(func() {
		<-ctx.Done()
		s.end(server)
	})
	s.config.Log.Info("serving xDS", "address", s.Addr().String())
	err := server.Serve(newDoorkeeper(s.listener, s.config.MaxClients+spareConnections, s.turnAway))
	cancel()
	group.Wait()
	s.streams.Wait()
	s.turns.end()
	working.Wait()
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("xDS server: serve on %s: %w", s.Addr(), err)
	}
	return nil
}

func (s *Server) register() *grpc.Server {
	server := grpc.NewServer(
		grpc.Creds(s.config.Credentials),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxRequest),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.ReadBufferSize(bufferSize),
		grpc.WriteBufferSize(bufferSize),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.MaxHeaderListSize(16<<10),
		grpc.ConnectionTimeout(20*time.Second),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: 30 * time.Second, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, &doors{Server: s})
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
	s.clients.end(status.Error(codes.Unavailable, "the xDS server is stopping"))
	timer := time.NewTimer(s.grace)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		server.Stop()
	}
	group.Wait()
}

// turnAway notes that a connection was turned away.
func (s *Server) turnAway() {
	s.turned.Add(1)
	s.said.Warn("xDS client turned away: too many are connected, in all or from its address")
}

// blame reports, once, what is wrong with a resource that is not told because of it.
func (s *Server) blame(k key, r *resource, err error) {
	if s.store.blame(k, r, err) {
		s.config.Log.Error("xDS resource is not told: clients would refuse it", "type", typeURLs[k.kind], "name", k.name, "error", err)
	}
}
