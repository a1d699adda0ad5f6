package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// acceptPause is how long to wait after the system refused to accept (too many open files).
const acceptPause = 100 * time.Millisecond

// Port is the one TCP port of a member. It accepts, proves who is there, and hands each connection to
// the Listener of its ALPN protocol; or, by its Route, passes it on to another replica untouched. Who
// offers ProtoJoin alone may be a stranger.
type Port struct {
	id       *Identity
	tcp      *net.TCPListener
	tls      *tls.Config
	route    func() Route
	slots    chan struct{}
	passing  passing
	refusals *refusals

	accepted   atomic.Uint64
	passed     atomic.Uint64
	leaderless atomic.Uint64

	mu        sync.Mutex
	listeners map[string]*listener
	pending   []*handshake // oldest first, at most maxHandshakes
	closed    bool
}

// PortStats counts connections since the start, and those of now.
type PortStats struct {
	Accepted   uint64 // handed to a listener
	Refused    uint64 // failed the handshake, had no listener, or could not be passed on
	Passed     uint64 // passed on to the leader
	Leaderless uint64 // closed because no leader was known
	Passing    int    // being passed on now
}

// Listen opens the port at address (host:port, the host may be empty). Nothing is accepted before Start,
// which also closes the port.
func Listen(ctx context.Context, address string, id *Identity, log *slog.Logger) (*Port, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: limitUnacked}
	tcp, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the port at %q: %w", address, err)
	}
	p := &Port{
		id:        id,
		tcp:       tcp.(*net.TCPListener),
		tls:       id.ServerTLS(),
		route:     func() Route { return Route{Serve: true} },
		slots:     make(chan struct{}, maxHandshakes),
		passing:   passing{open: map[opening]struct{}{}},
		refusals:  &refusals{log: log},
		listeners: map[string]*listener{},
	}
	p.tls.GetConfigForClient = p.configFor
	return p, nil
}

// Addr returns the address that the port is bound to.
func (p *Port) Addr() net.Addr { return p.tcp.Addr() }

// Stats returns what the port counted. It may be called from any goroutine.
func (p *Port) Stats() PortStats {
	return PortStats{
		Accepted:   p.accepted.Load(),
		Refused:    p.refusals.count.Load(),
		Passed:     p.passed.Load(),
		Leaderless: p.leaderless.Load(),
		Passing:    p.passing.count(),
	}
}

// Listener returns the listener of an ALPN protocol; its Accept returns *Conn. It may be called at any
// time: a protocol is refused in the handshake while its listener is closed, and a closed one is opened
// anew. A connection belongs to who accepted it. The listeners end with the port.
func (p *Port) Listener(proto string) net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.listeners[proto]
	if l == nil || l.isClosed() && !p.closed {
		l = &listener{addr: p.tcp.Addr(), conns: make(chan *Conn), done: make(chan struct{})}
		p.listeners[proto] = l
	}
	if p.closed {
		l.Close()
	}
	return l
}

// Start accepts connections until ctx ends, then closes the port, its listeners, every connection that
// nobody has accepted yet and every one that is passed on, and returns nil. It is called once.
func (p *Port) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	defer p.closeAll()
	defer context.AfterFunc(ctx, p.closeAll)()

	for {
		raw, err := p.tcp.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			p.refusals.add(p.Addr(), fmt.Errorf("accept: %w", err))
			pause(ctx, acceptPause)
			continue
		}
		p.receive(ctx, raw, &work)
	}
}

// protos returns the protocols that somebody listens for. There is always one, so that a client that
// offers none of them is refused in the handshake.
func (p *Port) protos() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	protos := []string{"none"}
	for proto, l := range p.listeners {
		if !l.isClosed() {
			protos = append(protos, proto)
		}
	}
	return protos
}

func (p *Port) closeAll() {
	p.tcp.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, l := range p.listeners {
		l.Close()
	}
}

func (p *Port) serve(ctx context.Context, raw *tls.Conn) {
	conn, err := p.id.welcome(ctx, raw)
	if err == nil {
		err = p.hand(ctx, conn)
	}
	if err != nil {
		raw.Close()
		p.refusals.add(raw.RemoteAddr(), err)
		return
	}
	p.accepted.Add(1)
}

func (p *Port) hand(ctx context.Context, conn *Conn) error {
	proto := conn.ConnectionState().NegotiatedProtocol
	p.mu.Lock()
	l := p.listeners[proto]
	p.mu.Unlock()
	if l == nil {
		return fmt.Errorf("nobody listens for the protocol %q", proto)
	}
	select {
	case l.conns <- conn:
		return nil
	case <-l.done:
		return fmt.Errorf("the listener for %s is closed", proto)
	case <-ctx.Done():
		return fmt.Errorf("the listener for %s is busy: %w", proto, ctx.Err())
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
