package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// handshakeTime is how long a connection may take from its accept to the hands of its listener.
	handshakeTime = 10 * time.Second
	// maxHandshakes bounds the connections that are not yet in those hands.
	maxHandshakes = 128
	// acceptPause is how long to wait after the system refused to accept (too many open files).
	acceptPause = 100 * time.Millisecond
)

// Port is the one TCP port of a member. It accepts, proves who is there, and hands each connection to
// the Listener of its ALPN protocol.
type Port struct {
	id       *Identity
	tcp      net.Listener
	refusals *refusals
	accepted atomic.Uint64

	mu        sync.Mutex
	listeners map[string]*listener
	pending   []*handshake // oldest first, at most maxHandshakes
	closed    bool
}

// handshake is a connection between its accept and the hands of its listener.
type handshake struct{ giveUp func() }

// PortStats counts connections since the start.
type PortStats struct {
	Accepted uint64 // handed to a listener
	Refused  uint64 // failed the handshake, or had no listener
}

// Listen opens the port at address (host:port, the host may be empty). Nothing is accepted before Start,
// which also closes the port.
func Listen(ctx context.Context, address string, id *Identity, log *slog.Logger) (*Port, error) {
	config := net.ListenConfig{KeepAliveConfig: keepAlive, Control: limitUnacked}
	tcp, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("open the port at %q: %w", address, err)
	}
	return &Port{
		id:        id,
		tcp:       tcp,
		refusals:  &refusals{log: log},
		listeners: map[string]*listener{},
	}, nil
}

// Addr returns the address that the port is bound to.
func (p *Port) Addr() net.Addr { return p.tcp.Addr() }

// Stats returns what the port counted. It may be called from any goroutine.
func (p *Port) Stats() PortStats {
	return PortStats{Accepted: p.accepted.Load(), Refused: p.refusals.count.Load()}
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

// Start accepts connections until ctx ends, then closes the port, its listeners and every connection
// that nobody has accepted yet, and returns nil. It is called once.
func (p *Port) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var shaking sync.WaitGroup
	defer shaking.Wait()
	defer cancel()
	defer p.closeAll()
	defer context.AfterFunc(ctx, p.closeAll)()

	config := p.id.ServerTLS()
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return p.id.ServerTLS(p.protos()...), nil }
	slots := make(chan struct{}, maxHandshakes)
	for {
		raw, err := p.tcp.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			p.refusals.add(p.Addr(), fmt.Errorf("accept: %w", err))
			pause(ctx, acceptPause)
			continue
		}
		shaking.Go(p.admit(ctx, slots, tls.Server(raw, config)))
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

// admit takes one of the slots for a connection, and returns what brings it from its accept to its
// listener, or closes it. When all slots are taken, the oldest connection goes: it has had the most
// time, and so most likely will never complete.
func (p *Port) admit(ctx context.Context, slots chan struct{}, raw *tls.Conn) func() {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	h := &handshake{cancel}
	p.mu.Lock()
	if len(p.pending) == maxHandshakes {
		p.pending[0].giveUp()
		p.pending = p.pending[1:]
	}
	p.pending = append(p.pending, h)
	p.mu.Unlock()
	slots <- struct{}{}
	return func() {
		defer func() { <-slots }()
		defer p.leave(h)
		p.serve(ctx, raw)
	}
}

func (p *Port) leave(h *handshake) {
	h.giveUp()
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.pending, h); i >= 0 {
		p.pending = slices.Delete(p.pending, i, i+1)
	}
}

func (p *Port) serve(ctx context.Context, raw *tls.Conn) {
	conn, err := p.id.handshake(ctx, raw)
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
