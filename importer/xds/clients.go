package xds

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// Client is one connected client and what it has been told, as of the time of the question.
type Client struct {
	Address   string // its end of the connection
	Since     time.Time
	ID        string // node.id
	Group     string // node.cluster: the group of clients that it calls itself a part of
	UserAgent string // name and version of its software
	Delta     bool   // it speaks the incremental variant
	Audience  Audience
	// EgressFault is what is wrong with where an Envoy says that its listener is to be, "" for nothing.
	EgressFault string
	Types       []ClientType // that it has asked for, in the order in which a client needs them
	Unserved    []string     // types that it has asked for and that are not served, the first few
}

// ClientType is what a Client has of one type of resource.
type ClientType struct {
	TypeURL  string
	Wildcard bool      // it subscribes to all of the type
	Total    int       // to how many names it subscribes
	Names    []string  // to which, in order, where ClientsCalled was asked
	Missing  int       // how many of them stand for nothing
	Absent   []string  // which, in order, where ClientsCalled was asked
	Sent     string    // version of the last response
	Acked    string    // version of the last response that it took
	Unacked  bool      // the last response was not answered yet
	Waiting  int       // names of which something newer than sent is held back
	Refusals int       // responses that it refused (NACK)
	Refused  string    // version of the last one that it refused, "" for none
	Error    string    // why, in its words, of 256 bytes at most
	At       time.Time // when
}

// clients are those that are connected. Any goroutine may use it.
type clients struct {
	most int // that may be

	mu   sync.Mutex
	open map[*stream]struct{}
	over error // nobody may join any more, and why
}

// join adds a client, or returns a gRPC status when there are too many, or when the server ends.
func (s *clients) join(c *stream) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return s.over
	}
	if len(s.open) >= s.most {
		return status.Errorf(codes.ResourceExhausted, "%d xDS clients are connected, more may not be: ask another replica", s.most)
	}
	s.open[c] = struct{}{}
	return nil
}

func (s *clients) leave(c *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// end makes all streams end with a gRPC status, and those to come.
func (s *clients) end(over error) {
	s.mu.Lock()
	s.over = over
	s.mu.Unlock()
	for _, c := range s.all() {
		c.end(over)
	}
}

func (s *clients) all() []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.open))
}

// Clients returns who is connected, by ID and address, without the names that they subscribe to: there may be millions. It looks
// at each of these, for those that stand for nothing.
func (s *Server) Clients() []Client {
	var list []Client
	for _, c := range s.clients.all() {
		list = append(list, c.describe(false))
	}
	slices.SortFunc(list, compareClients)
	return list
}

// ClientsCalled returns those of Clients that have an ID or address, with all names that they subscribe to.
func (s *Server) ClientsCalled(name string) []Client {
	var list []Client
	for _, c := range s.clients.all() {
		if c.called(name) {
			list = append(list, c.describe(true))
		}
	}
	slices.SortFunc(list, compareClients)
	return list
}

func compareClients(a, b Client) int {
	return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Address, b.Address), a.Since.Compare(b.Since))
}

// MaxClients returns how many clients may be connected.
func (s *Server) MaxClients() int { return s.clients.most }

// Streams returns how many clients of each variant are connected.
func (s *Server) Streams() (delta, sotw int) {
	for _, c := range s.clients.all() {
		if c.session.delta {
			delta++
		} else {
			sotw++
		}
	}
	return delta, sotw
}

func newStream(s *Server, g grpc.ServerStream, delta bool) *stream {
	c := &stream{server: s, grpc: g, session: newSession(delta, newNonce), log: s.said, done: make(chan error, 1), stuck: make(chan struct{})}
	c.turn.do = c.work
	c.hold = time.AfterFunc(time.Hour, c.release)
	c.hold.Stop()
	c.silent = time.AfterFunc(time.Hour, func() {
		c.end(status.Errorf(codes.DeadlineExceeded, "nothing was asked for %s", s.patience))
	})
	c.silent.Stop()
	c.mailbox = newMailbox(func() { s.turns.ring(&c.turn) })
	c.who.Delta, c.who.Since = delta, time.Now()
	if p, ok := peer.FromContext(g.Context()); ok {
		c.who.Address, c.address = p.Addr.String(), addressOf(p.Addr)
		c.log = c.log.With("peer", c.who.Address)
	}
	return c
}

// introduce takes who the client is. What it is told later is for that.
func (c *stream) introduce(node *corev3.Node) {
	c.known = true
	c.who.Audience = c.server.audiences.join(audienceOf(node), c.origin)
	c.who.ID, c.who.Group = clip(node.GetId()), clip(node.GetCluster())
	c.who.UserAgent = clip(agentOf(node))
	if c.who.ID != "" {
		c.log = c.log.With("client", c.who.ID)
	}
	if _, err := egressOf(node); err != nil && c.who.Audience.Kind == Envoy {
		c.who.EgressFault = err.Error()
		c.log.Warn("xDS client gets no listener "+EgressName, "error", err)
	}
}

// agentOf returns name and version of a client's software.
func agentOf(node *corev3.Node) string {
	name := node.GetUserAgentName()
	if v := node.GetUserAgentVersion(); v != "" {
		return name + " " + v
	}
	if v := node.GetUserAgentBuildVersion().GetVersion(); v != nil {
		return name + " " + versionText(v.GetMajorNumber(), v.GetMinorNumber(), v.GetPatch())
	}
	return name
}

// called reports whether the client has an ID or address.
func (c *stream) called(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.who.ID == name || c.who.Address == name
}

// describe returns the client as it is now, maybe with all names that it subscribes to.
func (c *stream) describe(names bool) Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.who
	who.Unserved = slices.Clone(c.unserved)
	for k := range c.session.types {
		t := &c.session.types[k]
		if !t.asked {
			continue
		}
		d := t.describe()
		if d.Total = c.session.named(kind(k)); d.Total > 0 {
			d.Missing = t.missing()
		}
		if names {
			d.Names, d.Absent = t.names((*item).byName), t.names(t.lacks)
		}
		r := c.refused[k]
		d.TypeURL, d.Refusals, d.Refused, d.Error, d.At = typeURLs[k], r.count, r.version, strings.TrimSpace(r.words), r.at
		who.Types = append(who.Types, d)
	}
	return who
}

func (t *subscriptions) describe() ClientType {
	return ClientType{Wildcard: t.wildcard, Sent: t.state.version(), Acked: t.acked.version(), Unacked: t.unacked, Waiting: len(t.coming) + len(t.going)}
}

// named returns to how many names of a kind the client subscribes. It looks at none of them.
func (s *session) named(k kind) int {
	t := &s.types[k]
	switch {
	case s.delta:
		return t.byName
	case t.wildcard:
		return 0
	}
	return len(t.items)
}

// names returns the names of some items, in order.
func (t *subscriptions) names(which func(*item) bool) (list []string) {
	for name, it := range t.items {
		if which(it) {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// missing returns how many names stand for nothing.
func (t *subscriptions) missing() (n int) {
	for _, it := range t.items {
		if t.lacks(it) {
			n++
		}
	}
	return n
}

// byName reports whether the client named the item itself.
func (it *item) byName() bool { return it.request != 0 }

// lacks reports whether the client named an item that there is not. Before the first response it is not known of any.
func (t *subscriptions) lacks(it *item) bool {
	return !t.due && it.byName() && !it.withheld && (it.newest == nil || it.newest.gone)
}
