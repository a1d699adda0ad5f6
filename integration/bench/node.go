package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// node is a member below Kubernetes: its Store, its port, its gossip and its streams.
type node struct {
	store  *federation.Store
	port   *trust.Port
	gossip *gossip.Gossip
	stream *stream.Exchange
}

// newNode returns a node that listens on this machine. It opens streams only to clusters that dials admits.
func newNode(ctx context.Context, dir string, self federation.ClusterID, seeds []string, dials func(federation.ClusterID) bool) (*node, error) {
	return newLoggingNode(ctx, dir, self, seeds, dials, slog.New(slog.DiscardHandler))
}

func newLoggingNode(ctx context.Context, dir string, self federation.ClusterID, seeds []string, dials func(federation.ClusterID) bool, log *slog.Logger) (*node, error) {
	id, err := trust.Load(benchSet, self, trust.Files{Cert: dir + "/tls.crt", Key: dir + "/tls.key", CA: dir + "/ca.crt"})
	if err != nil {
		return nil, err
	}
	n := &node{store: federation.NewStore(self)}
	if n.port, err = trust.Listen(ctx, "127.0.0.1:0", id, log); err != nil {
		return nil, err
	}
	n.gossip, err = gossip.New(gossip.Config{
		Cluster: self, Advertise: n.address(), Seeds: seeds, Log: log,
		Listener: n.port.Listener(trust.ProtoGossip),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (gossip.Conn, error) {
			return id.Dial(ctx, address, want, trust.ProtoGossip)
		},
		Heads: n.heads,
	})
	if err != nil {
		return nil, err
	}
	n.stream = stream.New(stream.Config{
		Store: n.store, Log: log,
		Listener: n.port.Listener(trust.ProtoGRPC),
		Dial: func(ctx context.Context, address string, want federation.ClusterID) (stream.Conn, error) {
			return id.Dial(ctx, address, want, trust.ProtoGRPC)
		},
		Members: func() ([]stream.Member, <-chan struct{}) {
			changed := n.gossip.Changed()
			var list []stream.Member
			for _, m := range n.gossip.Members() {
				if dials(m.Cluster) {
					list = append(list, stream.Member{Cluster: m.Cluster, Address: m.Address})
				}
			}
			return list, changed
		},
		Standing: func() (stream.Standing, <-chan struct{}) { return stream.Standing{Leads: true}, nil },
	})
	return n, nil
}

func (n *node) address() string { return n.port.Addr().(*net.TCPAddr).String() }

func (n *node) heads() gossip.Heads {
	heads := gossip.Heads{}
	for id, h := range n.store.Heads() {
		heads[id] = h.Version
	}
	return heads
}

// run runs the node until ctx ends.
func (n *node) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, start := range []func(context.Context) error{n.port.Start, n.gossip.Start, n.stream.Start} {
		group.Go(func() error { return start(ctx) })
	}
	return group.Wait()
}

// knows waits until the node holds a complete set of so many other clusters.
func (n *node) knows(ctx context.Context, others int) error {
	for {
		changed := n.store.Changed()
		if n.store.Peers() >= others {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

const benchSet = "bench.example"

// identities writes the files of these members into folders of dir, each by its name.
func identities(dir string, members ...federation.ClusterID) error {
	ca, err := trust.NewAuthority(benchSet, time.Now())
	if err != nil {
		return err
	}
	for _, m := range members {
		if err := os.Mkdir(dir+"/"+string(m), 0o700); err != nil {
			return err
		}
		if _, err := ca.WriteMember(dir+"/"+string(m), m, time.Now()); err != nil {
			return err
		}
	}
	return nil
}
