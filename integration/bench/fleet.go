package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"
	coordinationv1 "k8s.io/api/coordination/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/integration/balancer"
	"github.com/hansa-mcs/hansa/integration/clusterset"
)

const (
	knownNamespace = "known"
	// knownServices are what each cluster of a fleet exports, of so many endpoints each.
	knownServices  = 100
	knownEndpoints = 10
)

// fleet is a clusterset of its own, east and west, whose agents are ended and started. East's are behind a
// balancer that picks one at random, as a load balancer does which does not know yet who ended. Each cluster
// exports services, and both have imported them all.
type fleet struct {
	set    *clusterset.Clusterset
	agents map[string][]*clusterset.Member // by cluster
	end    context.CancelFunc              // of the balancer
	ended  sync.WaitGroup
}

// startFleet starts a fleet with so many agents in each cluster, which the caller stops.
func startFleet(ctx context.Context, b *bench, agents int) (*fleet, error) {
	front, err := balancer.Listen(ctx, 1)
	if err != nil {
		return nil, err
	}
	f := &fleet{agents: map[string][]*clusterset.Member{}}
	frontCtx, end := context.WithCancel(ctx)
	f.end = end
	f.ended.Go(func() { _ = front.Start(frontCtx) })
	if err := f.start(ctx, b, front, agents); err != nil {
		return nil, errors.Join(err, f.stop())
	}
	return f, nil
}

func (f *fleet) start(ctx context.Context, b *bench, front *balancer.Balancer, agents int) (err error) {
	options := func(cluster string, o *agent.Options) {
		if cluster == "east" {
			o.Advertise = front.Addr().String()
		} else {
			o.Peers = []string{front.Addr().String()}
		}
	}
	f.set, err = clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east", "west"}, Output: b.progress, Options: options})
	if err != nil {
		return err
	}
	for _, m := range f.set.Members() {
		if err := f.add(ctx, m, agents); err != nil {
			return err
		}
	}
	var east []string
	for _, m := range f.agents["east"] {
		east = append(east, m.Federation)
	}
	front.SetBackends(east...) // until here it had none, and closed what came
	return f.fill(ctx, b)
}

// add starts the other agents of a member.
func (f *fleet) add(ctx context.Context, m *clusterset.Member, agents int) error {
	f.agents[m.Name] = []*clusterset.Member{m}
	for range agents - 1 {
		twin, err := m.Twin()
		if err != nil {
			return err
		}
		if err := twin.StartAgent(ctx); err != nil {
			return err
		}
		f.agents[m.Name] = append(f.agents[m.Name], twin)
	}
	return nil
}

func (f *fleet) stop() error {
	var err error
	if f.set != nil {
		err = f.set.Stop()
	}
	f.end()
	f.ended.Wait()
	return err
}

// fill exports the known services, and waits until both clusters have imported all.
func (f *fleet) fill(ctx context.Context, b *bench) error {
	ctx, cancel := context.WithTimeoutCause(ctx, manyPatience, fmt.Errorf("%s passed since the known services were exported", manyPatience))
	defer cancel()
	if err := createNamespace(ctx, knownNamespace, f.set.Members()...); err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	for _, m := range f.set.Members() {
		group.Go(func() error {
			return each(groupCtx, knownServices, manyWriters, func(ctx context.Context, i int) error {
				return create(ctx, m, append(knownService(m.Name, i), exportOf(knownNamespace, knownName(m.Name, i)))...)
			})
		})
		group.Go(func() error {
			return awaitAll(groupCtx, m, &mcsv1beta1.ServiceImportList{}, knownNamespace, 2*knownServices, isReady)
		})
		group.Go(func() error {
			return awaitAll(groupCtx, m, &discoveryv1.EndpointSliceList{}, knownNamespace, 2*knownServices, isFilled)
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(b.progress, "%d services of each cluster are imported\n", knownServices)
	return nil
}

// awaitAll waits until a member's agents have made so many objects of a kind in a namespace, all as wanted.
func awaitAll[T client.Object](ctx context.Context, m *clusterset.Member, list client.ObjectList, namespace string, n int, want func(T) bool) error {
	d, err := watchObjects(ctx, m, list, namespace, clusterset.Made)
	if err != nil {
		return err
	}
	defer d.close()
	_, err = d.await(ctx, "all as wanted", counting(n, want))
	return err
}

func knownName(cluster string, i int) string { return fmt.Sprintf("%s-%d", cluster, i) }

// knownService is a Service with its endpoints, still without a ServiceExport.
func knownService(cluster string, i int) []client.Object {
	objects := exportedIn(knownNamespace, knownName(cluster, i), servicePort, knownAddress(cluster, i, 0))
	slice := objects[1].(*discoveryv1.EndpointSlice)
	for n := 1; n < knownEndpoints; n++ {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{knownAddress(cluster, i, n).String()}})
	}
	return objects
}

// knownAddress returns the address of an endpoint that no other one has.
func knownAddress(cluster string, i, n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 210 + byte(slices.Index(clusters, cluster)), byte(i), byte(n + 1)})
}

// leader returns the agent that holds a cluster's Lease, and the other one of two.
func (f *fleet) leader(ctx context.Context, cluster string) (leads, stands *clusterset.Member, err error) {
	var lease coordinationv1.Lease
	key := client.ObjectKey{Namespace: agent.Defaults().Namespace, Name: election.LeaseName}
	if err := f.set.Member(cluster).Client.Get(ctx, key, &lease); err != nil {
		return nil, nil, fmt.Errorf("reading the Lease of %s: %w", cluster, err)
	}
	pair := f.agents[cluster]
	i := slices.IndexFunc(pair, func(m *clusterset.Member) bool { return holds(&lease, m) })
	if i < 0 {
		return nil, nil, fmt.Errorf("the Lease of %s is held by nobody who is known: %v", cluster, lease.Spec.HolderIdentity)
	}
	return pair[i], pair[1-i], nil
}

// holds reports whether an agent holds its cluster's Lease.
func holds(l *coordinationv1.Lease, m *clusterset.Member) bool {
	return l.Spec.HolderIdentity != nil && strings.HasSuffix(*l.Spec.HolderIdentity, "/"+m.Federation)
}

// received returns how many whole exports of another cluster came to an agent over its streams since it started.
// What came as a difference is none of them: only what changed has one.
func received(ctx context.Context, m *clusterset.Member, of string) (int, error) {
	text, err := m.Get(ctx, "/metrics")
	if err != nil {
		return 0, fmt.Errorf("reading the metrics of an agent of %s: %w", m.Name, err)
	}
	return receivedOf(text, of)
}

// receivedOf reads it from what /metrics says; a series that is not there is of nothing.
func receivedOf(text, of string) (int, error) {
	n, _, err := valueOf(text, fmt.Sprintf("hansa_cluster_received_records_total{cluster=%q}", of))
	return int(n), err
}
