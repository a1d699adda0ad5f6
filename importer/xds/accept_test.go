package xds

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// TestGRPCRefusesNothing checks on services of all kinds what gRPC clients check before they take a
// resource, and that neither the order in exports nor a second call makes a difference.
func TestGRPCRefusesNothing(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 1))
		exports, who := randomExports(r), randomAudience(r)
		list := resources(t, importer.Merge(exports), "c2", "clusterset.local", who)
		for _, res := range list {
			if err := acceptable(res); err != nil {
				t.Fatalf("seed %d: %s: %v", seed, res.Name, err)
			}
		}
		for _, e := range exports {
			for _, s := range e.Subsets {
				r.Shuffle(len(s.Endpoints), func(i, j int) { s.Endpoints[i], s.Endpoints[j] = s.Endpoints[j], s.Endpoints[i] })
			}
		}
		again := resources(t, importer.Merge(exports), "c2", "clusterset.local", who)
		if !slices.EqualFunc(list, again, func(a, b told) bool {
			return a.Name == b.Name && a.Version == b.Version && bytes.Equal(a.Body.Value, b.Body.Value)
		}) {
			t.Fatalf("seed %d: another order of endpoints gives other resources", seed)
		}
	}
}

func randomAudience(r *rand.Rand) Audience {
	places := []string{"", "z1", "z2", "z_"}
	return Audience{Kind: []ClientKind{Other, GRPC}[r.IntN(2)], Region: places[r.IntN(4)], Zone: places[r.IntN(4)]}
}

func randomExports(r *rand.Rand) []*federation.Export {
	var exports []*federation.Export
	for c := range 1 + r.IntN(4) {
		e := &federation.Export{
			Cluster: federation.ClusterID(fmt.Sprintf("c%d", c)), Name: webName, Created: time.Unix(r.Int64N(3), 0), Type: federation.ClusterSetIP,
		}
		for p := range 1 + r.IntN(3) {
			e.Ports = append(e.Ports, federation.Port{
				Name:   fmt.Sprintf("p%d", p),
				Number: uint16(80 + p + r.IntN(2)), Protocol: []federation.Protocol{federation.TCP, federation.TCP, federation.UDP}[r.IntN(3)],
			})
		}
		for range r.IntN(4) {
			e.Subsets = append(e.Subsets, randomSubset(r, e.Ports))
		}
		exports = append(exports, e)
	}
	return exports
}

func randomSubset(r *rand.Rand, ports []federation.Port) federation.Subset {
	var s federation.Subset
	for _, p := range ports {
		if r.IntN(5) > 0 {
			s.Ports = append(s.Ports, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: uint16(8080 + r.IntN(2))})
		}
	}
	zones := []string{"", "z1", "z2", "z\xff", "z\xfe", `z", sub_zone="c1`}
	for range r.IntN(12) {
		v4 := netip.AddrFrom4([4]byte{10, 0, 0, byte(r.IntN(6))})
		addrs := []netip.Addr{v4, v4, netip.AddrFrom16(v4.As16()), netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::1%eth0"), {}}
		s.Endpoints = append(s.Endpoints, federation.Endpoint{
			Address:    addrs[r.IntN(len(addrs))],
			Zone:       zones[r.IntN(len(zones))],
			Region:     zones[r.IntN(len(zones))],
			Conditions: federation.Conditions(r.IntN(8)),
		})
	}
	return s
}

// acceptable returns what a gRPC client would refuse.
func acceptable(r told) error {
	if r.Name == "" || r.Version == "" || r.Body.GetTypeUrl() != r.TypeURL {
		return fmt.Errorf("incomplete: %v", r)
	}
	switch r.TypeURL {
	case ClusterType:
		return acceptableCluster(r)
	case EndpointType:
		return acceptableAssignment(r)
	case ListenerType:
		return acceptableListener(r)
	}
	return fmt.Errorf("type %s", r.TypeURL)
}

func acceptableCluster(r told) error {
	var c clusterv3.Cluster
	if err := r.Body.UnmarshalTo(&c); err != nil {
		return err
	}
	eds := c.GetEdsClusterConfig()
	if c.GetName() != r.Name || c.GetType() != clusterv3.Cluster_EDS || eds.GetEdsConfig().GetAds() == nil ||
		eds.GetEdsConfig().GetResourceApiVersion() != corev3.ApiVersion_V3 || eds.GetServiceName() != r.Name ||
		c.GetLbPolicy() != clusterv3.Cluster_ROUND_ROBIN || c.GetConnectTimeout().AsDuration() <= 0 || len(c.GetTransportSocketMatches()) > 0 {
		return fmt.Errorf("cluster %v", &c)
	}
	return nil
}

func acceptableListener(r told) error {
	var l listenerv3.Listener
	if err := r.Body.UnmarshalTo(&l); err != nil {
		return err
	}
	var m hcmv3.HttpConnectionManager
	if err := l.GetApiListener().GetApiListener().UnmarshalTo(&m); err != nil {
		return err
	}
	filters := m.GetHttpFilters()
	if l.GetName() != r.Name || m.GetXffNumTrustedHops() != 0 || len(m.GetOriginalIpDetectionExtensions()) > 0 || len(filters) != 1 ||
		filters[0].GetName() == "" || !filters[0].GetTypedConfig().MessageIs(&routerv3.Router{}) {
		return fmt.Errorf("listener %v", &l)
	}
	hosts := m.GetRouteConfig().GetVirtualHosts()
	if len(hosts) != 1 || !slices.Equal(hosts[0].GetDomains(), []string{"*"}) || len(hosts[0].GetRoutes()) != 1 {
		return fmt.Errorf("virtual hosts %v", hosts)
	}
	route := hosts[0].GetRoutes()[0]
	if route.GetMatch() == nil || route.GetMatch().GetPrefix() != "" || route.GetRoute().GetCluster() == "" {
		return fmt.Errorf("route %v", route)
	}
	return nil
}

func acceptableAssignment(r told) error {
	var a endpointv3.ClusterLoadAssignment
	if err := r.Body.UnmarshalTo(&a); err != nil {
		return err
	}
	if a.GetClusterName() != r.Name {
		return fmt.Errorf("assignment of %q", a.GetClusterName())
	}
	addresses, priorities, localities := map[string]bool{}, map[uint32]bool{}, map[string]bool{}
	for _, l := range a.GetEndpoints() {
		id := fmt.Sprintf("%d %q %q %q", l.GetPriority(), l.GetLocality().GetRegion(), l.GetLocality().GetZone(), l.GetLocality().GetSubZone())
		if l.GetLocality() == nil || l.GetLoadBalancingWeight().GetValue() != uint32(len(l.GetLbEndpoints())) || len(l.GetLbEndpoints()) == 0 || localities[id] {
			return fmt.Errorf("locality %v", l)
		}
		localities[id], priorities[l.GetPriority()] = true, true
		for _, e := range l.GetLbEndpoints() {
			s := e.GetEndpoint().GetAddress().GetSocketAddress()
			addr, err := netip.ParseAddr(s.GetAddress())
			at := fmt.Sprintf("%s %d", addr.Unmap().WithZone(""), s.GetPortValue())
			if err != nil || addresses[at] || s.GetPortValue() == 0 || e.GetHealthStatus() != corev3.HealthStatus_HEALTHY ||
				e.GetLoadBalancingWeight() != nil {
				return fmt.Errorf("endpoint %v: refused (%s)", e, fmt.Sprint(err))
			}
			addresses[at] = true
		}
	}
	for p := range uint32(len(priorities)) {
		if !priorities[p] {
			return fmt.Errorf("priorities %v", priorities)
		}
	}
	return nil
}
