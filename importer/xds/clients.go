package xds

import (
	"cmp"
	"maps"
	"slices"
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
	Types     []ClientType // that it has asked for, in the order in which a client needs them
}

// ClientType is what a Client has of one type of resource.
type ClientType struct {
	TypeURL  string
	Wildcard bool      // it subscribes to all of the type
	Total    int       // to how many names it subscribes
	Names    []string  // to which, in order, where ClientsCalled was asked
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

// Clients returns who is connected, by ID and address, without the names that they subscribe to: there may be millions.
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
	c := &stream{server: s, grpc: g, session: newSession(delta, newNonce), log: s.config.Log, done: make(chan error, 1), stuck: make(chan struct{})}
	c.turn.do = c.work
	c.mailbox = newMailbox(func() { s.turns.ring(&c.turn) })
	c.who.Delta, c.who.Since = delta, time.Now()
	if p, ok := peer.FromContext(g.Context()); ok {
		c.who.Address = p.Addr.String()
		c.log = c.log.With("peer", c.who.Address)
	}
	return c
}

// introduce takes who the client is. What it is told later is for that.
func (c *stream) introduce(node *corev3.Node) {
	c.known = true
	c.who.Audience = c.server.audiences.join(audienceOf(node))
	c.who.ID, c.who.Group = clip(node.GetId()), clip(node.GetCluster())
	c.who.UserAgent = clip(agentOf(node))
	if c.who.ID != "" {
		c.log = c.log.With("client", c.who.ID)
	}
	if _, err := egressOf(node); err != nil {
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
	for k := range c.session.types {
		t := &c.session.types[k]
		if !t.asked {
			continue
		}
		d := t.describe()
		if d.Total = c.session.named(kind(k)); names {
			d.Names = t.names()
		}
		r := c.refused[k]
		d.TypeURL, d.Refusals, d.Refused, d.Error, d.At = typeURLs[k], r.count, r.version, r.words, r.at
		who.Types = append(who.Types, d)
	}
	return who
}

func (t *subscriptions) describe() ClientType {
	return ClientType{Wildcard: t.wildcard, Sent: t.version, Acked: t.acked, Unacked: t.unacked, Waiting: len(t.coming) + len(t.going)}
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

// names returns these names, in order.
func (t *subscriptions) names() (list []string) {
	for name, it := range t.items {
		if it.request != 0 {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
