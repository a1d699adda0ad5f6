package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// circle is the gossip that this agent takes part in while it leads; each time as another node.
type circle struct {
	mu      sync.Mutex
	gossip  *gossip.Gossip // nil while it does not lead
	changed chan struct{}  // closes when gossip is another, or knows other members
}

func newCircle() *circle { return &circle{changed: make(chan struct{})} }

// now returns the gossip, nil if there is none, and a channel that closes when it is another or knows others.
func (c *circle) now() (*gossip.Gossip, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gossip, c.changed
}

func (c *circle) set(g *gossip.Gossip) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gossip = g
	c.touch()
}

// follow tells of each change of the members, until ctx ends.
func (c *circle) follow(ctx context.Context, g *gossip.Gossip) {
	for {
		changed := g.Changed()
		c.mu.Lock()
		c.touch()
		c.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// touch wakes who waits. mu is held.
func (c *circle) touch() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// gossipConfig takes the seeds that a person gave, and where remembered members were.
func (m *member) gossipConfig(remembered []string) gossip.Config {
	seeds := slices.Concat(m.options.Peers, remembered)
	return gossip.Config{
		Cluster:   m.store.Self(),
		Advertise: m.options.advertised(),
		Seeds:     slices.DeleteFunc(seeds, func(s string) bool { return gossip.CheckAddress(s) != nil }),
		Listener:  m.port.Listener(trust.ProtoGossip),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (gossip.Conn, error) {
			return m.identity.Dial(ctx, address, want, trust.ProtoGossip)
		},
		Heads: m.heads,
		Log:   m.log,
	}
}

// gossipWhileLeading takes part in gossip whenever this agent leads, until ctx ends.
func (m *member) gossipWhileLeading(ctx context.Context) error {
	for ctx.Err() == nil {
		standing, changed := m.presence.now()
		if !standing.Leads {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := m.gossipOnce(ctx); err != nil {
			m.log.Error("gossip failed", "error", err, "again_in", gossipPause)
			select {
			case <-time.After(gossipPause):
			case <-ctx.Done():
			}
		}
	}
	return nil
}

// gossipPause is how long to wait after gossip could not begin.
const gossipPause = time.Second

// gossipOnce takes part in gossip until this agent leads no more, or ctx ends.
func (m *member) gossipOnce(ctx context.Context) error {
	remembered, _ := m.recall(ctx) // it has told; what a person gave is enough to begin
	g, err := gossip.New(m.gossipConfig(remembered))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	defer loops.Wait()
	defer cancel()
	loops.Go(func() {
		defer cancel()
		for standing, changed := m.presence.now(); standing.Leads; standing, changed = m.presence.now() {
			select {
			case <-changed:
			case <-ctx.Done():
				return
			}
		}
	})
	loops.Go(func() { m.tellHeads(ctx, g) })
	loops.Go(func() { m.circle.follow(ctx, g) })
	m.circle.set(g)
	defer m.circle.set(nil)
	return g.Start(ctx)
}

// tellHeads lets gossip spread our version whenever it moves: evidence for others of how far they lag.
func (m *member) tellHeads(ctx context.Context, g *gossip.Gossip) {
	for {
		advanced := m.store.Advanced(m.store.Self())
		g.Advance()
		select {
		case <-advanced:
		case <-ctx.Done():
			return
		}
	}
}

// members tells the streams whom gossip knows.
func (m *member) members() ([]stream.Member, <-chan struct{}) {
	g, changed := m.circle.now()
	if g == nil {
		return nil, changed
	}
	var list []stream.Member
	for _, peer := range g.Members() {
		list = append(list, stream.Member{Cluster: peer.Cluster, Address: peer.Address})
	}
	return list, changed
}

// heads tells gossip at which versions this cluster holds all clusters that have not left: who starts later would wait
// for those.
func (m *member) heads() gossip.Heads {
	heads := gossip.Heads{}
	for _, o := range m.store.Owners() {
		if !o.Version.IsZero() && !o.Left {
			heads[o.Cluster] = o.Version
		}
	}
	return heads
}
