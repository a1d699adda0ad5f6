package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// Conn is an authenticated connection: Peer is the cluster that the other side's certificate names.
type Conn interface {
	net.Conn
	Peer() federation.ClusterID
}

// Member is another cluster and where it listens.
type Member struct {
	Cluster federation.ClusterID
	Address string // host:port
}

// Config is what an Exchange needs. All fields but Drop and Observe are required.
type Config struct {
	Store *federation.Store
	// Listener accepts Conns only; Start closes it.
	Listener net.Listener
	// Dial opens a connection to the member want, over which gRPC can speak.
	Dial func(ctx context.Context, address string, want federation.ClusterID) (Conn, error)
	// Members returns the other members as they are now, and a channel that closes when that changes.
	Members func() ([]Member, <-chan struct{})
	// Drop reports whether an endpoint that another cluster sends is left out, as it is one of our own Services'
	// addresses. It is called for each endpoint and must not block. Nil leaves out none.
	Drop func(netip.Addr) bool
	// Observe is told of each update that was taken how long ago its owner made the oldest change in it, by the
	// owner's clock and ours. It must not block. Nil for nobody.
	Observe func(owner federation.ClusterID, age time.Duration)
	// Standing returns what this agent is to its cluster, and a channel that closes when that changes.
	Standing func() (Standing, <-chan struct{})
	Log      *slog.Logger
}

// Standing is what an agent is to its cluster. The leader keeps streams to the other clusters and lets its standbys
// have all that it holds; a standby has one stream, to its leader.
type Standing struct {
	Leads bool
	// Leader is the host:port of the agent that leads instead, "" while there is none.
	Leader string
}

// Exchange keeps one stream to every member that can be reached, and applies what comes.
type Exchange struct {
	wire.UnimplementedFederationServer
	config   Config
	links    *links
	standbys atomic.Int32 // how many there are
	packer   packer
	totals   totals
	failures failures
	moving   sync.WaitGroup  // the goroutines of all links
	ending   <-chan struct{} // closes when all streams are to end; nil before Start
}

// window is how much may be on the way to a side that does not read. A fixed one spares a ping for each frame, by
// which gRPC would measure the line to find it.
const window = 1 << 20

// maxStandbys bounds how many standbys a leader feeds.
const maxStandbys = 8

// New returns an Exchange that does nothing until Start.
func New(config Config) *Exchange {
	return &Exchange{config: config, links: newLinks()}
}

// Start serves and dials until ctx ends, and returns when every stream has ended.
func (x *Exchange) Start(ctx context.Context) error {
	x.ending = ctx.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := grpc.NewServer(
		grpc.Creds(handshaken{}),
		grpc.MaxRecvMsgSize(maxFrame),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(window),
		grpc.MaxConcurrentStreams(4),
		grpc.InTapHandle(countStream),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: silence, Timeout: silence, MaxConnectionIdle: time.Minute}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: silence / 2, PermitWithoutStream: true}),
	)
	wire.RegisterFederationServer(server, x)
	served := make(chan error, 1)
	go func() { served <- server.Serve(newGate(x.config.Listener)) }()
	dialed := make(chan struct{})
	go func() { defer close(dialed); x.keepStanding(ctx) }()

	var err error
	select {
	case <-ctx.Done():
	case err = <-served:
	}
	ended := ctx.Err() != nil
	cancel()
	server.Stop()
	<-dialed
	x.moving.Wait()
	if ended || errors.Is(err, grpc.ErrServerStopped) {
		return nil // who ended us may have closed the listener first
	}
	return err
}

// Exchange serves a stream that a peer opened.
func (x *Exchange) Exchange(stream grpc.BidiStreamingServer[wire.Frame, wire.Frame]) error {
	who, ok := peer.FromContext(stream.Context())
	if !ok {
		return status.Error(codes.Unauthenticated, "no peer")
	}
	auth, ok := who.AuthInfo.(peerInfo)
	if !ok {
		return status.Error(codes.Unauthenticated, "no certificate")
	}
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	err := x.serve(ctx, stream, auth.cluster, cancel)
	if errors.Is(err, errReplaced) {
		return status.Error(codes.AlreadyExists, err.Error())
	}
	return status.Error(codes.Aborted, reason(err))
}

// serve moves the frames of a stream that from opened, until it ends.
func (x *Exchange) serve(ctx context.Context, stream frames, from federation.ClusterID, cancel context.CancelCauseFunc) error {
	role := Peer
	if from == x.config.Store.Self() {
		role = Standby
		defer x.standbys.Add(-1)
		if x.standbys.Add(1) > maxStandbys {
			return fmt.Errorf("more than %d standbys", maxStandbys)
		}
	}
	l := x.newLink(stream, from, role, from, cancel)
	defer x.links.open(l)()
	// Looked at once the link is open: who stops leading ends the links that are.
	if standing, _ := x.config.Standing(); !standing.Leads {
		return errNotLeading
	}
	_, err := x.move(ctx, l)
	return err
}

// move runs a link until it ends, and reports whether it was ever up. Of those to one other cluster it is the only
// one, once the hello came; standbys may be several.
func (x *Exchange) move(ctx context.Context, l *link) (up bool, err error) {
	log := x.config.Log.With("peer", l.peer, "role", l.role.String())
	err = l.run(ctx, &x.moving, func() error {
		level := slog.LevelInfo
		if l.role == Peer {
			if x.links.wait(l.peer) != nil { // this one takes the place of another
				level = slog.LevelDebug
			}
			if err := x.links.add(l); err != nil {
				return err
			}
		}
		up = true
		if level == slog.LevelInfo {
			l.counters.streams.Add(1)
		}
		log.Log(ctx, level, "stream up", "dialer", l.dialer)
		return nil
	})
	if errors.Is(err, federation.ErrTaken) {
		log.Warn("a cluster is refused", "error", err)
	}
	if l.role != Standby {
		x.failures.stream(l.peer, err, time.Now())
	}
	if up && (l.role != Peer || x.links.remove(l)) {
		log.Log(ctx, x.downLevel(), "stream down", "reason", reason(err))
	}
	return up, err
}
