package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/importer/xds"
)

// xdsStream is a client of the incremental variant that acknowledges what it is told, and keeps none of it.
type xdsStream struct {
	crowd    *crowd
	number   int
	conn     *grpc.ClientConn
	ads      discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	sum      uint64       // of what it was told at first
	received atomic.Int64 // resources after that

	mu       sync.Mutex
	versions map[string]string // of what it was told, by name
}

func newXDSStream(c *crowd, number int, options []grpc.DialOption) (*xdsStream, error) {
	conn, err := grpc.NewClient(c.Address, options...)
	return &xdsStream{crowd: c, number: number, conn: conn, versions: map[string]string{}}, err
}

// subscribe asks for the assignments, and returns when all came.
func (s *xdsStream) subscribe(ctx context.Context) (err error) {
	if s.ads, err = discoveryv3.NewAggregatedDiscoveryServiceClient(s.conn).DeltaAggregatedResources(ctx); err != nil {
		return fmt.Errorf("client %d: %w", s.number, err)
	}
	first := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, Node: &corev3.Node{Id: fmt.Sprint("proxy-", s.number), UserAgentName: "envoy"}}
	for i := range s.crowd.Names {
		first.ResourceNamesSubscribe = append(first.ResourceNamesSubscribe, xdsName((s.number*s.crowd.Names+i)%s.crowd.Services))
	}
	wanted := len(first.ResourceNamesSubscribe)
	if s.crowd.All {
		if err := s.ads.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, Node: first.Node}); err != nil {
			return fmt.Errorf("client %d: %w", s.number, err)
		}
		first.Node = nil
	}
	if err := s.ads.Send(first); err != nil {
		return fmt.Errorf("client %d: %w", s.number, err)
	}
	for len(s.holds()) < wanted {
		told, err := s.next()
		if err != nil {
			return err
		}
		for _, r := range told {
			if s.number == 0 {
				if err := s.add(r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// next returns the assignments of the next response, which it acknowledges.
func (s *xdsStream) next() ([]*discoveryv3.Resource, error) {
	for {
		told, err := s.ads.Recv()
		if err != nil {
			return nil, fmt.Errorf("client %d: %w", s.number, err)
		}
		if err := s.ads.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: told.GetTypeUrl(), ResponseNonce: told.GetNonce()}); err != nil {
			return nil, fmt.Errorf("client %d: %w", s.number, err)
		}
		if told.GetTypeUrl() != xds.EndpointType {
			continue
		}
		if removed := told.GetRemovedResources(); len(removed) > 0 {
			return nil, fmt.Errorf("client %d was told that these went: %v", s.number, removed)
		}
		return told.GetResources(), s.take(told.GetResources())
	}
}

// take takes down which versions came.
func (s *xdsStream) take(told []*discoveryv3.Resource) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range told {
		if s.versions[r.GetName()] == r.GetVersion() && !s.crowd.Loose {
			return fmt.Errorf("client %d was told twice of version %s of %s", s.number, r.GetVersion(), r.GetName())
		}
		s.versions[r.GetName()] = r.GetVersion()
	}
	return nil
}

// holds returns the versions that it was told of, by name.
func (s *xdsStream) holds() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.versions)
}

// follow takes what comes until ctx ends.
func (s *xdsStream) follow(ctx context.Context) error {
	for change := 0; ; change++ {
		told, err := s.next()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		s.received.Add(int64(len(told)))
		if s.crowd.Loose {
			continue
		}
		if err := s.check(told, change); err != nil {
			return err
		}
		s.crowd.shown <- change
	}
}

// check returns what differs between what came and a change, of which nothing but the service that changed is told.
func (s *xdsStream) check(told []*discoveryv3.Resource, change int) error {
	want := xdsName(change % s.crowd.Services)
	if len(told) != 1 || told[0].GetName() != want {
		return fmt.Errorf("client %d was told of %d assignments when %s changed, want of that one", s.number, len(told), want)
	}
	address := changedAddress(change).String()
	field := append([]byte{2<<3 | 2, byte(len(address))}, address...) // of SocketAddress
	if !bytes.Contains(told[0].GetResource().GetValue(), field) {
		return fmt.Errorf("client %d was told of %s without %s", s.number, want, address)
	}
	return nil
}

// add adds what an assignment says to the sum. Its order does not matter, and neither do weights, which are of no use here.
func (s *xdsStream) add(r *discoveryv3.Resource) error {
	var a endpointv3.ClusterLoadAssignment
	if err := proto.Unmarshal(r.GetResource().GetValue(), &a); err != nil {
		return fmt.Errorf("client %d: %s: %w", s.number, r.GetName(), err)
	}
	if len(a.GetEndpoints()) == 0 {
		return errors.New(r.GetName() + " has no endpoints")
	}
	for _, l := range a.GetEndpoints() {
		for _, e := range l.GetLbEndpoints() {
			at := e.GetEndpoint().GetAddress().GetSocketAddress()
			address, err := netip.ParseAddr(at.GetAddress())
			if err != nil {
				return fmt.Errorf("client %d: %s: %w", s.number, r.GetName(), err)
			}
			h := fnv.New64a()
			fmt.Fprint(h, a.GetClusterName(), l.GetPriority(), l.GetLocality().GetZone(), l.GetLocality().GetSubZone(), address, at.GetPortValue(), e.GetHealthStatus())
			s.sum += h.Sum64()
		}
	}
	return nil
}
