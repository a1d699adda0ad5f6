package gossip

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// network is a network in memory: hosts by their address, and which of them are cut off.
type network struct {
	mu    sync.Mutex
	hosts map[string]*host
	cut   map[string]bool
	names map[string]string // other names of addresses
	conns []*memoryConn
	delay time.Duration // of what is said, one way
}

func newNetwork() *network {
	return &network{hosts: map[string]*host{}, cut: map[string]bool{}, names: map[string]string{}}
}

// inMemory runs a test whose clock jumps to the next event. After it, memberlist's timers run out.
func inMemory(t *testing.T, test func(t *testing.T, n *network)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		test(t, newNetwork())
	})
}

// host is the listener of one address.
type host struct {
	network *network
	cluster federation.ClusterID
	address string
	conns   chan net.Conn
	done    chan struct{}
	once    sync.Once
}

// memoryConn is one end of a connection.
type memoryConn struct {
	net.Conn
	in   *bufio.Reader
	peer federation.ClusterID
	ends [2]string
}

func (c *memoryConn) Peer() federation.ClusterID { return c.peer }

func (c *memoryConn) Read(b []byte) (int, error) { return c.in.Read(b) }

// late is a reader that hears everything later.
type late struct {
	io.Reader
	delay time.Duration
}

func (l late) Read(b []byte) (int, error) {
	n, err := l.Reader.Read(b)
	time.Sleep(l.delay)
	return n, err
}

func (n *network) listen(cluster federation.ClusterID, address string) *host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{network: n, cluster: cluster, address: address, conns: make(chan net.Conn), done: make(chan struct{})}
	n.hosts[address] = h
	return h
}

func (h *host) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *host) Addr() net.Addr { return &net.TCPAddr{} }

func (h *host) Close() error {
	h.once.Do(func() { close(h.done) })
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	if h.network.hosts[h.address] == h {
		delete(h.network.hosts, h.address)
	}
	return nil
}

var errUnreachable = errors.New("unreachable")

// dialFrom returns the Dial of a host.
func (n *network) dialFrom(from *host) Dial {
	return func(ctx context.Context, address string, want federation.ClusterID) (Conn, error) {
		n.mu.Lock()
		if alias := n.names[address]; alias != "" {
			address = alias
		}
		to := n.hosts[address]
		if to == nil || n.cut[address] || n.cut[from.address] {
			n.mu.Unlock()
			return nil, errUnreachable
		}
		if want != "" && want != to.cluster {
			n.mu.Unlock()
			return nil, errors.New("another cluster answers")
		}
		a, b := net.Pipe()
		ends := [2]string{from.address, address}
		client := &memoryConn{Conn: a, in: bufio.NewReader(late{a, n.delay}), peer: to.cluster, ends: ends}
		server := &memoryConn{Conn: b, in: bufio.NewReader(late{b, n.delay}), peer: from.cluster, ends: ends}
		n.conns = append(n.conns, client, server)
		n.mu.Unlock()
		time.Sleep(4 * n.delay) // a TCP and a TLS handshake
		select {
		case to.conns <- server:
			return client, nil
		case <-to.done:
			return nil, errUnreachable
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// alias gives an address another name, in place of its former.
func (n *network) alias(name, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.names[name] = address
}

// isolate cuts an address off from all others, or ends that.
func (n *network) isolate(address string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut[address] = cut
	for _, c := range n.conns {
		if slices.Contains(c.ends[:], address) {
			c.Close()
		}
	}
}

// member is a running Gossip.
type member struct {
	*Gossip
	t    *testing.T
	stop func() // ends it and waits
}

// join starts a Gossip of the cluster at the address.
func (n *network) join(t *testing.T, cluster federation.ClusterID, address string, seeds ...string) *member {
	h := n.listen(cluster, address)
	return start(t, Config{Cluster: cluster, Advertise: address, Seeds: seeds, Dial: n.dialFrom(h), Listener: h})
}

func start(t *testing.T, cfg Config) *member {
	t.Helper()
	cfg.Log = slog.New(slog.DiscardHandler)
	if cfg.Heads == nil {
		cfg.Heads = func() Heads { return nil }
	}
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Start(ctx) }()
	m := &member{Gossip: g, t: t, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", cfg.Cluster, err)
		}
	})}
	t.Cleanup(m.stop)
	return m
}

// sees waits until the members of m are exactly these addresses.
func (m *member) sees(addresses ...string) {
	m.t.Helper()
	slices.Sort(addresses)
	deadline := time.NewTimer(2 * time.Minute)
	defer deadline.Stop()
	for {
		changed := m.Changed()
		var got []string
		for _, member := range m.Members() {
			got = append(got, member.Address)
		}
		slices.Sort(got)
		if slices.Equal(got, addresses) {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			m.t.Fatalf("%s sees %q, want %q", m.Node(), got, addresses)
		}
	}
}
