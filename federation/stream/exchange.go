package stream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
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

// Config is what an Exchange needs. All fields are required.
type Config struct {
	Store *federation.Store
	// Listener accepts Conns only; Start closes it.
	Listener net.Listener
	// Dial opens a connection to the member want, over which gRPC can speak.
	Dial func(ctx context.Context, address string, want federation.ClusterID) (Conn, error)
	// Members returns the other members as they are now, and a channel that closes when that changes.
	Members func() ([]Member, <-chan struct{})
	Log     *slog.Logger
}

// Exchange keeps one stream to every member that can be reached, and applies what comes.
type Exchange struct {
	wire.UnimplementedFederationServer
	config Config
	links  *links
	moving sync.WaitGroup  // the goroutines of all links
	ending <-chan struct{} // closes when all streams are to end; nil before Start
}

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
		grpc.MaxConcurrentStreams(4),
		grpc.WaitForHandlers(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: silence, Timeout: silence}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: silence / 2, PermitWithoutStream: true}),
	)
	wire.RegisterFederationServer(server, x)
	served := make(chan error, 1)
	go func() { served <- server.Serve(x.config.Listener) }()
	dialed := make(chan struct{})
	go func() { defer close(dialed); x.dialMembers(ctx) }()

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
	_, err := x.move(ctx, newLink(stream, x.config.Store, auth.cluster, auth.cluster, x.config.Log, cancel))
	if errors.Is(err, errReplaced) {
		return status.Error(codes.AlreadyExists, err.Error())
	}
	return status.Error(codes.Aborted, reason(err))
}

// dialMembers runs one dialer per member that gossip knows, for as long as it knows it.
func (x *Exchange) dialMembers(ctx context.Context) {
	var dialers sync.WaitGroup
	defer dialers.Wait()
	running := map[Member]context.CancelCauseFunc{}
	for {
		members, changed := x.config.Members()
		known := map[Member]bool{}
		for _, m := range members {
			known[m] = true
			if running[m] == nil {
				dialCtx, cancel := context.WithCancelCause(ctx)
				running[m] = cancel
				dialers.Go(func() { x.keepDialing(dialCtx, m) })
			}
		}
		for m, cancel := range running {
			if !known[m] {
				cancel(errUnknown)
				delete(running, m)
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			for _, cancel := range running {
				cancel(nil)
			}
			return
		}
	}
}

// keepDialing keeps a stream to m until ctx ends: it waits while there is one, whoever dialed it, and
// dials when there is none, with back-off.
func (x *Exchange) keepDialing(ctx context.Context, m Member) {
	var wait backoff
	without := trouble{since: time.Now()}
	for ctx.Err() == nil {
		if ended := x.links.wait(m.Cluster); ended != nil {
			select {
			case <-ended:
			case <-ctx.Done():
			}
			wait, without = backoff{}, trouble{since: time.Now()}
			continue
		}
		began := time.Now()
		up, err := x.dial(ctx, m)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > backoffReset {
			wait = backoff{}
		}
		if up {
			without = trouble{since: time.Now()}
		}
		if !replaced(err) { // a second stream that was not needed is no failure
			x.config.Log.Log(ctx, without.level(time.Now()), "no stream to a peer; trying for ever", "peer", m.Cluster, "address", m.Address, "reason", reason(err))
		}
		select {
		case <-time.After(wait.next()):
		case <-ctx.Done():
		}
	}
}

// replaced reports whether a stream ended because there is a better one, as this side or the other says.
func replaced(err error) bool {
	return errors.Is(err, errReplaced) || status.Code(err) == codes.AlreadyExists
}

// dial opens a stream to m and moves its frames until it ends. It reports whether the stream was ever up.
func (x *Exchange) dial(ctx context.Context, m Member) (up bool, err error) {
	conn, err := grpc.NewClient("passthrough:///"+m.Address,
		grpc.WithTransportCredentials(handshaken{}),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return x.config.Dial(ctx, address, m.Cluster)
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxFrame)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: silence, Timeout: silence}),
		grpc.WithDisableRetry(),
	)
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer func() {
		cancel(nil)
		_ = conn.Close()
	}()
	stream, err := wire.NewFederationClient(conn).Exchange(ctx)
	if err != nil {
		return false, err
	}
	return x.move(ctx, newLink(stream, x.config.Store, m.Cluster, x.config.Store.Self(), x.config.Log, cancel))
}

// move runs a link; once the peer's hello came it is the link to that peer, and up.
func (x *Exchange) move(ctx context.Context, l *link) (up bool, err error) {
	err = l.run(ctx, &x.moving, func() error {
		level := slog.LevelInfo
		if x.links.wait(l.peer) != nil { // this one takes the place of another
			level = slog.LevelDebug
		}
		if err := x.links.add(l); err != nil {
			return err
		}
		up = true
		x.config.Log.Log(ctx, level, "stream up", "peer", l.peer, "dialer", l.dialer)
		return nil
	})
	if x.links.remove(l) {
		x.config.Log.Log(ctx, x.downLevel(), "stream down", "peer", l.peer, "reason", reason(err))
	}
	return up, err
}
