package xds

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// locality is where endpoints are: region and zone of their nodes, and the cluster as the sub-zone.
type locality struct{ region, zone, cluster string }

func (l locality) compare(o locality) int {
	return cmp.Or(cmp.Compare(l.region, o.region), cmp.Compare(l.zone, o.zone), cmp.Compare(l.cluster, o.cluster))
}

// newAssignment returns the endpoints that serve p of s, by locality. Those of clusters that are not heard have the
// lowest priority: they are tried when no other can be reached.
func newAssignment(name string, s *importer.Service, p importer.Port, own federation.ClusterID) *endpointv3.ClusterLoadAssignment {
	first, last := map[locality][]*endpointv3.LbEndpoint{}, map[locality][]*endpointv3.LbEndpoint{}
	for _, b := range usable(claims(s, p, own)) {
		groups, l := first, localityOf(b)
		if b.Demoted {
			groups = last
		}
		groups[l] = append(groups[l], newEndpoint(b))
	}
	a := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	priority := uint32(0)
	for _, groups := range []map[locality][]*endpointv3.LbEndpoint{first, last} {
		for _, l := range slices.SortedFunc(maps.Keys(groups), locality.compare) {
			a.Endpoints = append(a.Endpoints, newLocality(l, priority, groups[l]))
		}
		if len(groups) > 0 {
			priority++ // no gap: clients refuse an assignment with one
		}
	}
	return a
}

// claims returns the backends of p by address, each address once. One that two clusters claim is taken
// as our own says, else as the lower cluster ID says: whatever the conditions are, so that nobody gets
// the traffic of an address by calling it ready.
func claims(s *importer.Service, p importer.Port, own federation.ClusterID) []importer.Backend {
	var list []importer.Backend
	for b := range s.Backends(p) {
		if b.Endpoint.Address.IsValid() {
			list = append(list, b)
		}
	}
	slices.SortFunc(list, func(a, b importer.Backend) int {
		return cmp.Or(
			address(a).Compare(address(b)),
			cmp.Compare(claimant(a, own), claimant(b, own)),
			-cmp.Compare(tier(a), tier(b)),
			localityOf(a).compare(localityOf(b)))
	})
	return slices.CompactFunc(list, func(a, b importer.Backend) bool { return address(a) == address(b) })
}

// claimant orders clusters by who an address is left to.
func claimant(b importer.Backend, own federation.ClusterID) federation.ClusterID {
	if b.Cluster == own {
		return ""
	}
	return b.Cluster
}

// usable returns the ready backends; if there is none, those that still serve while they terminate, as
// kube-proxy does.
func usable(list []importer.Backend) []importer.Backend {
	best := 0
	for _, b := range list {
		best = max(best, tier(b))
	}
	return slices.DeleteFunc(list, func(b importer.Backend) bool { return best == 0 || tier(b) < best })
}

// tier is 2 for a backend that is ready, 1 for one that serves until it is gone, 0 for one of no use.
func tier(b importer.Backend) int {
	switch c := b.Endpoint.Conditions; {
	case c.Has(federation.Ready):
		return 2
	case c.Has(federation.Serving | federation.Terminating):
		return 1
	}
	return 0
}

// address is what a client connects to, in the one form that gRPC and we compare: an IPv4 address is
// not written as IPv6, and there is no zone, which means nothing in another cluster.
func address(b importer.Backend) netip.AddrPort {
	return netip.AddrPortFrom(b.Endpoint.Address.Unmap().WithZone(""), b.Port)
}

func localityOf(b importer.Backend) locality {
	return locality{
		region:  strings.ToValidUTF8(b.Endpoint.Region, "_"),
		zone:    strings.ToValidUTF8(b.Endpoint.Zone, "_"),
		cluster: strings.ToValidUTF8(string(b.Cluster), "_"),
	}
}

// newLocality gives a locality the weight of its endpoints, so that each endpoint of the clusterset gets
// the same share. Without a weight gRPC ignores it.
func newLocality(l locality, priority uint32, endpoints []*endpointv3.LbEndpoint) *endpointv3.LocalityLbEndpoints {
	return &endpointv3.LocalityLbEndpoints{
		Locality:            &corev3.Locality{Region: l.region, Zone: l.zone, SubZone: l.cluster},
		Priority:            priority,
		LbEndpoints:         endpoints,
		LoadBalancingWeight: wrapperspb.UInt32(uint32(len(endpoints))),
	}
}

func newEndpoint(b importer.Backend) *endpointv3.LbEndpoint {
	a := address(b)
	socket := &corev3.SocketAddress{
		Address:       a.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}
	return &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket}},
		}},
		HealthStatus: corev3.HealthStatus_HEALTHY,
	}
}
