package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansa-mcs/hansa/federation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// network is an in-memory network of authenticated connections, by address.
type network struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	dials     []dialed
	log       *slog.Logger // of members that start from now on
}

// dialed is an attempt to reach an address, whatever became of it.
type dialed struct {
	from federation.ClusterID
	to   string
}

type memoryConn struct {
	net.Conn
	peer federation.ClusterID
}

func (c memoryConn) Peer() federation.ClusterID { return c.peer }

type memoryListener struct {
	network *network
	address string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newNetwork() *network {
	return &network{listeners: map[string]*memoryListener{}, log: quiet}
}

func (n *network) listen(address string) *memoryListener {
	l := &memoryListener{network: n, address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
	n.mu.Lock()
	n.listeners[address] = l
	n.mu.Unlock()
	return l
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() {
		close(l.closed)
		l.network.mu.Lock()
		defer l.network.mu.Unlock()
		if l.network.listeners[l.address] == l {
			delete(l.network.listeners, l.address)
		}
	})
	return nil
}

func (l *memoryListener) Addr() net.Addr { return memoryAddr(l.address) }

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }

func (n *network) dialer(self federation.ClusterID) func(context.Context, string, federation.ClusterID) (Conn, error) {
	return func(ctx context.Context, address string, want federation.ClusterID) (Conn, error) {
		n.mu.Lock()
		n.dials = append(n.dials, dialed{self, address})
		l := n.listeners[address]
		n.mu.Unlock()
		if l == nil {
			return nil, fmt.Errorf("nobody listens on %s", address)
		}
		near, far := net.Pipe()
		select {
		case l.conns <- memoryConn{far, self}:
			return memoryConn{near, want}, nil
		case <-l.closed:
			return nil, net.ErrClosed
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// dialed reports how often a cluster dialed an address.
func (n *network) dialed(from federation.ClusterID, to string) (times int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range n.dials {
		if d == (dialed{from, to}) {
			times++
		}
	}
	return times
}

// member is an agent that runs an Exchange.
type member struct {
	store    *federation.Store
	address  string
	standing standing
	exchange *Exchange
	stop     func()
}

// standing is a Standing that a test changes.
type standing struct {
	mu      sync.Mutex
	now     Standing
	changed chan struct{}
}

func (s *standing) get() (Standing, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.now, s.changed
}

func (s *standing) set(now Standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now = now
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// start runs the leader of a cluster whose address is its ID.
func (n *network) start(t *testing.T, self federation.ClusterID, peers ...federation.ClusterID) *member {
	t.Helper()
	s := federation.NewStore(self)
	s.Announce(federation.NextTerm(0, time.Now()), nil)
	return n.lead(t, s, string(self), peers...)
}

// lead runs an agent that leads its cluster.
func (n *network) lead(t *testing.T, s *federation.Store, address string, peers ...federation.ClusterID) *member {
	t.Helper()
	return n.run(t, s, address, Standing{Leads: true}, peers...)
}

// run runs an agent at that address. Gossip knows the peers, each at the address that is its ID.
func (n *network) run(t *testing.T, s *federation.Store, address string, now Standing, peers ...federation.ClusterID) *member {
	t.Helper()
	var members []Member
	for _, p := range peers {
		members = append(members, Member{Cluster: p, Address: string(p)})
	}
	return n.runWith(t, s, address, now, func() ([]Member, <-chan struct{}) { return members, nil })
}

func (n *network) runWith(t *testing.T, s *federation.Store, address string, now Standing, members func() ([]Member, <-chan struct{})) *member {
	t.Helper()
	m := &member{store: s, address: address}
	m.standing.set(now)
	m.exchange = New(Config{
		Store:    s,
		Listener: n.listen(address),
		Dial:     n.dialer(s.Self()),
		Members:  members,
		Standing: m.standing.get,
		Log:      n.log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.exchange.Start(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("exchange of %s: %v", address, err)
		}
	})
	t.Cleanup(m.stop)
	return m
}

// reaches waits until the store satisfies want, looking again after each change.
func reaches(t *testing.T, s *federation.Store, what string, want func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for changed := s.Changed(); !want(); changed = s.Changed() {
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("%s does not reach: %s; owners %+v", s.Self(), what, s.Owners())
		}
	}
}

func (m *member) holds(t *testing.T, e *federation.Export) {
	t.Helper()
	reaches(t, m.store, fmt.Sprintf("%s of %s", e.Name, e.Cluster), func() bool {
		return slices.ContainsFunc(m.store.Exports(e.Name), e.Equal)
	})
}

func (m *member) lacks(t *testing.T, name federation.ServiceName) {
	t.Helper()
	reaches(t, m.store, "no "+name.String(), func() bool { return len(m.store.Exports(name)) == 0 })
}

// link returns the link that a member has to a peer, nil if none.
func (m *member) link(peer federation.ClusterID) *link {
	m.exchange.links.mu.Lock()
	defer m.exchange.links.mu.Unlock()
	return m.exchange.links.active[peer]
}
