package main

import (
	"context"
	"fmt"
	"net"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	cachev3 "github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	serverv3 "github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/importer/xds"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// linear serves the assignments of a View as go-control-plane does: by its server, from its LinearCache.
type linear struct {
	importer *importer.Importer
	listener net.Listener
	cache    *cachev3.LinearCache
}

func newLinear(ctx context.Context, i *importer.Importer) (*linear, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	return &linear{importer: i, listener: listener, cache: cachev3.NewLinearCache(xds.EndpointType)}, err
}

func (l *linear) Addr() net.Addr { return l.listener.Addr() }

// Start serves until ctx ends.
func (l *linear) Start(ctx context.Context) error {
	select {
	case <-l.importer.Ready():
	case <-ctx.Done():
		return nil
	}
	server := grpc.NewServer( // as xds.Server has it, where that bears on what a change takes
		grpc.MaxRecvMsgSize(16<<20),
		grpc.StaticStreamWindowSize(xdsWindow),
		grpc.StaticConnWindowSize(xdsWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, serverv3.NewServer(ctx, l.cache, nil))
	group, ctx := errgroup.WithContext(ctx)
	view, err := l.show(importer.Empty())
	if err != nil {
		return err
	}
	group.Go(func() error { return server.Serve(l.listener) })
	group.Go(func() error {
		defer server.Stop()
		return l.follow(ctx, view)
	})
	return group.Wait()
}

// follow shows one View after another until ctx ends.
func (l *linear) follow(ctx context.Context, view *importer.View) (err error) {
	for {
		select {
		case <-view.Replaced():
			if view, err = l.show(view); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// show makes the cache hold the newest View instead of the one before, which it returns.
func (l *linear) show(before *importer.View) (*importer.View, error) {
	now := l.importer.View()
	update := map[string]types.Resource{}
	for c := range importer.Diff(before, now) {
		if c.New == nil {
			return nil, fmt.Errorf("%s went, but here services only change", c.Name)
		}
		name := probe.ClusterName(c.Name.Name+"."+c.Name.Namespace+".svc."+xds.DefaultDomain, int(c.New.Ports[0].Number))
		update[name] = assignmentOf(name, c.New)
	}
	return now, l.cache.UpdateResources(update, nil)
}

// assignmentOf returns the endpoints of a service with one port: of all of them, in one cluster and of one priority.
func assignmentOf(name string, s *importer.Service) *endpointv3.ClusterLoadAssignment {
	a := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	zones := map[string]*endpointv3.LocalityLbEndpoints{}
	for b := range s.Backends(s.Ports[0]) {
		zone := zones[b.Endpoint.Zone]
		if zone == nil {
			zone = &endpointv3.LocalityLbEndpoints{
				Locality:            &corev3.Locality{Region: b.Endpoint.Region, Zone: b.Endpoint.Zone, SubZone: string(b.Cluster)},
				LoadBalancingWeight: &wrapperspb.UInt32Value{},
			}
			zones[b.Endpoint.Zone] = zone
			a.Endpoints = append(a.Endpoints, zone)
		}
		zone.LoadBalancingWeight.Value++
		zone.LbEndpoints = append(zone.LbEndpoints, lbEndpointOf(b))
	}
	return a
}

func lbEndpointOf(b importer.Backend) *endpointv3.LbEndpoint {
	health := corev3.HealthStatus_DRAINING
	if b.Endpoint.Conditions&federation.Ready != 0 {
		health = corev3.HealthStatus_HEALTHY
	}
	address := &corev3.SocketAddress{
		Address:       b.Endpoint.Address.String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(b.Port)},
	}
	return &endpointv3.LbEndpoint{
		HealthStatus: health,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: address}},
		}},
	}
}
