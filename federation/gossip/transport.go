package gossip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

// The first byte of a connection says what it is for.
const (
	kindPackets = 'P' // frames, each a length in two bytes, big endian, and a packet
	kindStream  = 'S' // one push/pull
)

// transport carries memberlist's packets and streams over connections of the one port. It dials by the
// name of the node, or of a seed, which is its host:port.
type transport struct {
	listener net.Listener
	dialPeer Dial
	find     func(node string) (address string, cluster federation.ClusterID, ok bool)
	reached  func(seed string, cluster federation.ClusterID)
	log      *slog.Logger

	packets chan *memberlist.Packet
	streams chan net.Conn
	slots   chan struct{} // of streams that memberlist reads
	gate    gate
	dropped atomic.Uint64

	ctx         context.Context // of all connections
	cancel      context.CancelFunc
	sendCtx     context.Context // ends first: then senders say their last words
	stopSending context.CancelFunc
	stop        sync.Once
	accepts     sync.WaitGroup

	mu      sync.Mutex
	senders map[string]*sender
	sending sync.WaitGroup
	stopped bool
}

var _ memberlist.NodeAwareTransport = (*transport)(nil)

// start begins to accept connections. Shutdown ends what start and the writing began.
func (t *transport) start() {
	t.ctx, t.cancel = context.WithCancel(context.Background())
	t.packets = make(chan *memberlist.Packet, 64)
	t.streams = make(chan net.Conn)
	t.slots = make(chan struct{}, maxStreams)
	t.sendCtx, t.stopSending = context.WithCancel(t.ctx)
	t.senders = map[string]*sender{}
	t.accepts.Go(t.acceptAll)
}

// FinalAdvertiseAddr returns the same nothing for every node: where a node is stands in its Meta.
// memberlist wants an IP address and a port that are not zero values.
func (t *transport) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.IPv4zero.To4(), 1, nil
}

// PacketCh returns the packets that came.
func (t *transport) PacketCh() <-chan *memberlist.Packet { return t.packets }

// StreamCh returns the streams that were opened to us.
func (t *transport) StreamCh() <-chan net.Conn { return t.streams }

var errNoName = errors.New("a node is dialed by name, and none is given")

// WriteTo is never called, as memberlist is told to require names.
func (t *transport) WriteTo([]byte, string) (time.Time, error) { return time.Time{}, errNoName }

// DialTimeout is never called, as memberlist is told to require names.
func (t *transport) DialTimeout(string, time.Duration) (net.Conn, error) { return nil, errNoName }

// WriteToAddress queues a packet for a node. It never blocks; what has no room is dropped, as a packet
// may be.
func (t *transport) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	if len(b) == 0 || len(b) > maxPacket {
		return time.Time{}, fmt.Errorf("a packet of %d bytes, want 1 to %d", len(b), maxPacket)
	}
	if !t.enqueue(a.Name, frame(b)) {
		t.dropped.Add(1)
	}
	return time.Now(), nil
}

func (t *transport) enqueue(name string, frame []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.senders[name]
	if s == nil {
		if _, _, ok := t.find(name); !ok || t.stopped || len(t.senders) == maxSenders {
			return false
		}
		s = &sender{t: t, name: name, queue: make(chan []byte, maxQueued)}
		t.senders[name] = s
		t.sending.Go(s.run)
	}
	select {
	case s.queue <- frame:
		return true
	default:
		return false
	}
}

// retire forgets a sender, unless there is something to send.
func (t *transport) retire(s *sender) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(s.queue) > 0 {
		return false
	}
	delete(t.senders, s.name)
	return true
}

// DialAddressTimeout opens a stream to a node or a seed.
func (t *transport) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	conn, err := t.dial(ctx, a.Name, kindStream)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(t.ctx, func() { hangUp(conn) })
	return &stream{Conn: conn, reply: true, onDone: func() { stop() }}, nil
}

// dial connects to a node or a seed and says what for, before ctx ends.
func (t *transport) dial(ctx context.Context, name string, kind byte) (Conn, error) {
	address, want := name, federation.ClusterID("")
	seed := !strings.Contains(name, "/")
	if !seed {
		var ok bool
		if address, want, ok = t.find(name); !ok {
			return nil, fmt.Errorf("node %q is unknown", name)
		}
	}
	conn, err := t.dialPeer(ctx, address, want)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { hangUp(conn) })
	_, err = conn.Write([]byte{kind})
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		hangUp(conn)
		return nil, err
	}
	if seed {
		t.reached(name, conn.Peer())
	}
	return conn, nil
}

// Shutdown lets the senders send what is queued, for a second at most, then closes all connections and
// the listener, and waits for everything that the transport began.
func (t *transport) Shutdown() error {
	t.stop.Do(func() {
		t.mu.Lock()
		t.stopped = true
		t.mu.Unlock()
		t.stopSending()
		t.sending.Wait()
		t.cancel()
		hangUp(t.listener)
		t.accepts.Wait()
	})
	return nil
}

// hangUp closes a connection that is of no more use; what closing it says no longer matters.
func hangUp(c io.Closer) { _ = c.Close() }
