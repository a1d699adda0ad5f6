package gossip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

// Conn is a connection to a node of which is proven whose it is. *trust.Conn is one.
type Conn interface {
	net.Conn
	Peer() federation.ClusterID
}

// Dial connects to host:port and returns a connection with a node of the cluster want, or of any cluster
// of the clusterset if want is empty. It returns when ctx ends.
type Dial func(ctx context.Context, address string, want federation.ClusterID) (Conn, error)

// Config is what a Gossip needs. All but Seeds must be set.
type Config struct {
	Cluster federation.ClusterID
	// Advertise is the host:port at which other members reach our port; a host name is resolved by them,
	// each time they connect.
	Advertise string
	// Seeds are the host:port of members to join, for ever. Whether one of them is in Members is told by
	// the address, or by the cluster that answered there.
	Seeds []string
	Dial  Dial
	// Listener returns connections that are a Conn. Start closes it.
	Listener net.Listener
	// Heads returns the versions at which this cluster holds each cluster, itself included. It is called
	// from many goroutines, must not block, and the map must not change after.
	Heads func() Heads
	Log   *slog.Logger
}

// Gossip takes part in the gossip of a clusterset. All methods but Start may be called from any
// goroutine at any time, and none blocks.
type Gossip struct {
	cfg       Config
	node      string
	directory *directory
	board     board
	queue     *memberlist.TransmitLimitedQueue
	transport *transport
	advanced  chan struct{}

	mu      sync.Mutex
	reached map[string]federation.ClusterID // by seed, who answered there last
}

// Stats counts since the start.
type Stats struct {
	Dropped uint64 // packets that were not sent: the node was unknown, slow or out of reach
	Queued  int    // heads waiting to be sent
}

// New returns a Gossip whose node is a new incarnation of the cluster. It does nothing before Start.
// Its errors name the field and what is expected.
func New(cfg Config) (*Gossip, error) {
	if _, err := federation.ParseClusterID(string(cfg.Cluster)); err != nil {
		return nil, err
	}
	if err := CheckAddress(cfg.Advertise); err != nil {
		return nil, fmt.Errorf("advertise: %w", err)
	}
	for _, seed := range cfg.Seeds {
		if err := CheckAddress(seed); err != nil {
			return nil, fmt.Errorf("seeds: %w", err)
		}
	}
	if cfg.Dial == nil || cfg.Listener == nil || cfg.Heads == nil || cfg.Log == nil {
		return nil, errors.New("gossip: Dial, Listener, Heads and Log must be set")
	}
	g := &Gossip{
		cfg:      cfg,
		node:     newNodeName(cfg.Cluster, time.Now()),
		board:    board{seen: Heads{}},
		advanced: make(chan struct{}, 1),
		reached:  map[string]federation.ClusterID{},
	}
	g.cfg.Seeds = slices.DeleteFunc(slices.Compact(slices.Sorted(slices.Values(cfg.Seeds))), func(s string) bool { return s == cfg.Advertise })
	g.directory = newDirectory(g.node, cfg.Cluster)
	g.queue = &memberlist.TransmitLimitedQueue{RetransmitMult: retransmitMult, NumNodes: g.directory.size}
	g.transport = &transport{
		listener: cfg.Listener,
		dialPeer: cfg.Dial,
		find:     g.directory.find,
		reached:  g.noteReached,
		log:      cfg.Log,
	}
	return g, nil
}

// Start takes part until ctx ends, then says goodbye, which takes some seconds at most, and returns when
// all that it began has ended, save goroutines of memberlist that are about to. It is called once.
func (g *Gossip) Start(ctx context.Context) error {
	g.transport.start()
	list, err := memberlist.Create(g.config())
	if err != nil {
		return errors.Join(fmt.Errorf("start gossip: %w", err), g.transport.Shutdown())
	}
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { g.announceHeads(ctx) })
	for _, seed := range g.cfg.Seeds {
		loops.Go(func() { g.keepJoined(ctx, list, seed) })
	}
	<-ctx.Done()
	cancel()
	if err := list.Leave(leaveTime); err != nil {
		g.cfg.Log.Info("left without a proper goodbye", "error", err)
	}
	err = list.Shutdown() // ends a Join that hangs
	loops.Wait()
	return err
}

// Node returns the name of our own node.
func (g *Gossip) Node() string { return g.node }

// Members returns the nodes of the other clusters that memberlist believes to live, by cluster. A
// cluster may have several while it restarts: the newest comes first, by its own clock. The slice is
// shared and must not be changed.
func (g *Gossip) Members() []Member { return g.directory.edition.Load().members }

// Changed returns a channel that closes when Members next changes. Take it before the members.
func (g *Gossip) Changed() <-chan struct{} { return g.directory.edition.Load().replaced }

// Seen returns the greatest version that anybody reported of each cluster, ours included. It is a claim
// by some member. The map is the caller's.
func (g *Gossip) Seen() Heads { return g.board.all() }

// Advance says that our own cluster's version has changed. The others are told within a second; several
// calls within a second become one message.
func (g *Gossip) Advance() {
	select {
	case g.advanced <- struct{}{}:
	default: // already due
	}
}

// Stats returns what was counted.
func (g *Gossip) Stats() Stats {
	return Stats{Dropped: g.transport.dropped.Load(), Queued: g.queue.NumQueued()}
}
