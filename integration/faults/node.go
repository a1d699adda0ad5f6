package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// node is a member without Kubernetes, in this process: the same port, gossip and streams as an agent's, and a Store
// that says whatever a fault wants it to.
type node struct {
	name     string
	identity *trust.Identity
	store    *federation.Store
	port     *trust.Port
	gossip   *gossip.Gossip
	stream   *stream.Exchange
}

// join brings a node of that name into the clusterset; it ends with the fault.
func (r *run) join(ctx context.Context, name string) (*node, error) {
	n, err := r.newNode(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("making the member %s: %w", name, err)
	}
	running, stop := context.WithCancel(context.Background())
	group, running := errgroup.WithContext(running)
	for _, start := range []func(context.Context) error{n.port.Start, n.gossip.Start, n.stream.Start} {
		group.Go(func() error { return start(running) })
	}
	r.atEnd(func() {
		stop()
		_ = group.Wait()
	})
	r.nodes = append(r.nodes, n)
	return n, nil
}

func (r *run) newNode(ctx context.Context, name string) (*node, error) {
	log := slog.New(slog.DiscardHandler)
	id, err := r.identity(name)
	if err != nil {
		return nil, err
	}
	home, err := r.net.home(name, "0")
	if err != nil {
		return nil, err
	}
	n := &node{name: name, identity: id, store: federation.NewStore(federation.ClusterID(name))}
	n.store.Announce(federation.NextTerm(0, time.Now()), nil)
	if n.port, err = trust.Listen(ctx, home, id, log); err != nil {
		return nil, err
	}
	r.net.moved(name, "0", n.port.Addr().String())
	id.DialFrom(n.port.Addr())
	front, err := r.net.front(name)
	if err != nil {
		return nil, err
	}
	seed, err := r.net.front(r.clusters[0])
	if err != nil {
		return nil, err
	}
	n.gossip, err = gossip.New(gossip.Config{
		Cluster: n.store.Self(), Advertise: front, Seeds: []string{seed}, Log: log,
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
		Members:  n.members,
		Standing: func() (stream.Standing, <-chan struct{}) { return stream.Standing{Leads: true}, nil },
	})
	return n, nil
}

// identity returns who a member of that name is, by a certificate of the clusterset's CA.
func (r *run) identity(name string) (*trust.Identity, error) {
	files, err := r.ca.files(name)
	if err != nil {
		return nil, err
	}
	return trust.Load(clusterset.Name, federation.ClusterID(name), files)
}

func (n *node) heads() gossip.Heads {
	heads := gossip.Heads{}
	for id, h := range n.store.Heads() {
		heads[id] = h.Version
	}
	return heads
}

func (n *node) members() ([]stream.Member, <-chan struct{}) {
	changed := n.gossip.Changed()
	var list []stream.Member
	for _, m := range n.gossip.Members() {
		list = append(list, stream.Member{Cluster: m.Cluster, Address: m.Address})
	}
	return list, changed
}

// say makes the node export a service with these endpoints.
func (n *node) say(service string, addresses ...string) {
	n.store.Set(newRecord(n.name, service, addresses...))
}

// newRecord is what a cluster says of a service.
func newRecord(cluster, service string, addresses ...string) *federation.Export {
	e := &federation.Export{
		Cluster: federation.ClusterID(cluster), Name: federation.ServiceName{Namespace: namespace, Name: service},
		Created: time.Now(), Type: federation.ClusterSetIP, SessionAffinity: "None",
		Ports: []federation.Port{{Name: "http", Protocol: federation.TCP, Number: servicePort}}, IPFamilies: []federation.IPFamily{federation.IPv4},
	}
	subset := federation.Subset{Ports: []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}}}
	for _, a := range addresses {
		subset.Endpoints = append(subset.Endpoints, federation.Endpoint{Address: netip.MustParseAddr(a), Conditions: federation.Ready | federation.Serving})
	}
	e.Subsets = []federation.Subset{subset}
	e.Normalize()
	return e
}

// holds returns what the node holds of clusters: service, cluster and address.
func (n *node) holds(only string) (list []string) {
	for _, name := range n.store.NamesIn(namespace) {
		for _, e := range n.store.Exports(name) {
			for _, s := range e.Subsets {
				for _, ep := range s.Endpoints {
					if only == "" || string(e.Cluster) == only {
						list = append(list, strings.Join([]string{name.Name, string(e.Cluster), ep.Address.String()}, " "))
					}
				}
			}
		}
	}
	slices.Sort(list)
	return list
}

// joins brings a node into the clusterset that exports a service, if any, with these endpoints.
func joins(name, service string, addresses ...string) step {
	return func(ctx context.Context, r *run) error {
		n, err := r.join(ctx, name)
		if err == nil && service != "" {
			n.say(service, addresses...)
		}
		return err
	}
}

// says changes what a node exports.
func says(name, service string, addresses ...string) step {
	return func(_ context.Context, r *run) error {
		r.node(name).say(service, addresses...)
		return nil
	}
}

// node returns the node of that name, which must have joined.
func (r *run) node(name string) *node {
	return r.nodes[slices.IndexFunc(r.nodes, func(n *node) bool { return n.name == name })]
}

// hostOf returns the host of an address.
func hostOf(address string) string {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return host
}
