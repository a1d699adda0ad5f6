package stream

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansa-mcs/hansa/federation"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// export returns a normalized export of cluster with one endpoint for each address.
func export(cluster federation.ClusterID, name string, addresses ...string) *federation.Export {
	e := &federation.Export{
		Cluster:         cluster,
		Name:            federation.ServiceName{Namespace: "shop", Name: name},
		Created:         time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Type:            federation.ClusterSetIP,
		Ports:           []federation.Port{{Name: "http", Protocol: federation.TCP, AppProtocol: "http", Number: 80}},
		IPFamilies:      []federation.IPFamily{federation.IPv4},
		SessionAffinity: "None",
		Labels:          map[string]string{"team": "shop"},
	}
	subset := federation.Subset{Ports: []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}}}
	for _, a := range addresses {
		subset.Endpoints = append(subset.Endpoints, federation.Endpoint{
			Address: netip.MustParseAddr(a), Hostname: "web-0", Zone: "z1", Region: "r1", Conditions: federation.Ready | federation.Serving,
		})
	}
	e.Subsets = []federation.Subset{subset}
	e.Normalize()
	return e
}

// network is an in-memory network of authenticated connections, by address.
type network struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
	changed   chan struct{}
	log       *slog.Logger // of members that start from now on
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
	return &network{listeners: map[string]*memoryListener{}, changed: make(chan struct{}), log: quiet}
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

// member runs an Exchange of a cluster whose address is its ID.
type member struct {
	store    *federation.Store
	exchange *Exchange
	stop     func()
}

func (n *network) start(t *testing.T, self federation.ClusterID, peers ...federation.ClusterID) *member {
	t.Helper()
	m := &member{store: federation.NewStore(self)}
	m.store.Announce(federation.NextTerm(0, time.Now()), nil)
	n.run(t, m, peers...)
	return m
}

// run starts an Exchange for the member's Store, as a process does that starts again.
func (n *network) run(t *testing.T, m *member, peers ...federation.ClusterID) {
	t.Helper()
	var members []Member
	for _, p := range peers {
		members = append(members, Member{Cluster: p, Address: string(p)})
	}
	self := m.store.Self()
	m.exchange = New(Config{
		Store:    m.store,
		Listener: n.listen(string(self)),
		Dial:     n.dialer(self),
		Members:  func() ([]Member, <-chan struct{}) { return members, nil },
		Log:      n.log,
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- m.exchange.Start(ctx) }()
	m.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("exchange of %s: %v", self, err)
		}
	})
	t.Cleanup(m.stop)
}

// reaches waits until the store satisfies want, looking again after each change.
func reaches(t *testing.T, s *federation.Store, what string, want func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		changed, heads := s.Changed(), make([]<-chan struct{}, 0, 4)
		for _, o := range s.Owners() {
			heads = append(heads, s.Advanced(o.Cluster))
		}
		if want() {
			return
		}
		advanced := make(chan struct{}, 1)
		stop := make(chan struct{})
		var waiting sync.WaitGroup
		for _, h := range heads {
			waiting.Go(func() {
				select {
				case <-h:
					select {
					case advanced <- struct{}{}:
					default:
					}
				case <-stop:
				}
			})
		}
		select {
		case <-changed:
		case <-advanced:
		case <-deadline:
			close(stop)
			t.Fatalf("%s does not reach: %s; owners %+v", s.Self(), what, s.Owners())
		}
		close(stop)
		waiting.Wait()
	}
}

func (m *member) holds(t *testing.T, e *federation.Export) {
	t.Helper()
	reaches(t, m.store, fmt.Sprintf("%s of %s", e.Name, e.Cluster), func() bool {
		for _, got := range m.store.Exports(e.Name) {
			if got.Equal(e) {
				return true
			}
		}
		return false
	})
}

func (m *member) lacks(t *testing.T, name federation.ServiceName) {
	t.Helper()
	reaches(t, m.store, "no "+name.String(), func() bool { return len(m.store.Exports(name)) == 0 })
}

// Whichever side dials, the records of both flow in the one stream.
func TestRecordsFlowBothWaysInOneStream(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east")
	west := n.start(t, "west", "east")
	a, b := export("east", "web", "10.0.0.1"), export("west", "api", "10.1.0.1", "fd00::1")
	east.store.Set(a)
	west.store.Set(b)
	west.holds(t, a)
	east.holds(t, b)
	more := export("east", "web", "10.0.0.1", "10.0.0.2")
	east.store.Set(more)
	west.holds(t, more)
	east.store.Withdraw(a.Name)
	west.lacks(t, a.Name)
}

// Two members that dial each other keep one stream, the one dialed by the lower ID, and go on.
func TestTwoDialersKeepOneStream(t *testing.T) {
	n := newNetwork()
	east, west := n.start(t, "east", "west"), n.start(t, "west", "east")
	for i := range 50 {
		e := export("east", fmt.Sprintf("web-%d", i), "10.0.0.1")
		w := export("west", fmt.Sprintf("api-%d", i), "10.1.0.1")
		east.store.Set(e)
		west.store.Set(w)
		west.holds(t, e)
		east.holds(t, w)
	}
	for _, m := range []*member{east, west} {
		m.exchange.links.mu.Lock()
		if n := len(m.exchange.links.active); n != 1 {
			t.Errorf("%s has %d streams, want 1", m.store.Self(), n)
		}
		m.exchange.links.mu.Unlock()
	}
}

// A set far larger than a frame arrives whole, and a change behind it follows.
func TestLargeSetArrives(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east")
	var addresses []string
	for i := range 5000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	large := export("east", "large", addresses...)
	east.store.Set(large)
	west := n.start(t, "west", "east")
	west.holds(t, large)
	small := export("east", "small", "10.0.0.1")
	east.store.Set(small)
	west.holds(t, small)
}

// A peer that goes and comes back withdraws nothing meanwhile, and its next term is taken (promise 4).
func TestSilenceWithdrawsNothing(t *testing.T) {
	n := newNetwork()
	east := n.start(t, "east", "west")
	west := n.start(t, "west", "east")
	e := export("east", "web", "10.0.0.1")
	east.store.Set(e)
	west.holds(t, e)
	east.stop()
	if got := west.store.Exports(e.Name); len(got) != 1 {
		t.Fatalf("after the peer went: %d exports, want 1", len(got))
	}
	again := &member{store: federation.NewStore("east")}
	next := export("east", "web", "10.0.0.2")
	again.store.Announce(federation.NextTerm(west.store.Version("east").Term, time.Now()), []*federation.Export{next})
	n.run(t, again, "west")
	west.holds(t, next)
}

// A member that comes back with a clock, or a state, that is older than what its peers hold of it is heard
// all the same: it takes a greater term.
func TestAMemberWhoseTermWentBackIsHeard(t *testing.T) {
	n := newNetwork()
	west := n.start(t, "west")
	later := export("east", "web", "10.0.0.1")
	term := federation.NextTerm(0, time.Now().Add(time.Hour))
	held := &federation.Update{Owner: "east", To: federation.Version{Term: term, Seq: 7}, Put: []*federation.Export{later}}
	if err := west.store.Apply(held); err != nil {
		t.Fatal(err)
	}
	east := n.start(t, "east", "west")
	now := export("east", "web", "10.0.0.2")
	east.store.Set(now)
	for contested := false; !contested; { // as the leader does
		var changed <-chan struct{}
		if contested, changed = east.store.Contested(); !contested {
			<-changed
		}
	}
	east.store.Renew(federation.NextTerm(0, time.Now()))
	west.holds(t, now)
	if v := west.store.Version("east"); v.Term <= term {
		t.Errorf("held at %s, want a term greater than %d", v, term)
	}
}
