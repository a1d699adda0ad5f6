package xds

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
	"unicode/utf8"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/importer"
)

// judge is validate for what is laid together of encoded pieces too, which nobody validates before it is told.
func judge(m proto.Message) error {
	err := validate(m)
	if err == nil {
		switch m := m.(type) {
		case *endpointv3.ClusterLoadAssignment:
			err = validAssignment(m)
		case *routev3.RouteConfiguration:
			err = validRoutes(m)
		}
	}
	return err
}

// TestWhatIsLaidTogetherIsValid judges the assignments and the routes of random services, each under both of its hosts.
func TestWhatIsLaidTogetherIsValid(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 6))
		who := randomAudience(r)
		who.Kind = Envoy
		hosts := map[string]virtualHost{}
		for _, domain := range []string{DefaultDomain, DefaultClusterDomain} {
			s := importer.Merge(randomExports(r))
			for i := range s.Ports {
				s.Ports[i].AppProtocol = []string{"", "grpc", "https"}[r.IntN(3)]
			}
			for spec := range portSpecs(s, domain) {
				judges(t, newAssignment(spec.cluster.name, s, spec.port, "c2", nil), who, &endpointv3.ClusterLoadAssignment{})
				if spec.http {
					hosts[spec.virtual.name] = spec.virtual
				}
			}
			some, _ := routes{}.with(hosts)
			judges(t, some, who, &routev3.RouteConfiguration{})
		}
		if t.Failed() {
			t.Fatalf("seed %d, hosts %v", seed, hosts)
		}
	}
}

// judges reads what a content says to an Audience into m.
func judges(t *testing.T, c content, who Audience, m proto.Message) {
	t.Helper()
	b, err := c.encode(who)
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Unmarshal(b.value(), m); err != nil {
		t.Fatal(err)
	}
	if err := judge(m); err != nil {
		t.Errorf("%v: %v", err, m)
	}
}

// census is what may occur once in an assignment, or only so often.
type census struct {
	addresses  map[netip.AddrPort]bool
	localities map[spotOf]bool
	weights    map[uint32]uint64 // of the localities of a priority
}

// spotOf is a locality at a priority.
type spotOf struct {
	priority              uint32
	region, zone, subZone string
}

func validAssignment(a *endpointv3.ClusterLoadAssignment) error {
	c := census{addresses: map[netip.AddrPort]bool{}, localities: map[spotOf]bool{}, weights: map[uint32]uint64{}}
	for i, l := range a.GetEndpoints() {
		if err := c.locality(l); err != nil {
			return fmt.Errorf("endpoints[%d].%w", i, err)
		}
	}
	for p := range uint32(len(c.weights)) {
		if c.weights[p] == 0 {
			return fmt.Errorf("endpoints.priority: %d is missing", p)
		}
	}
	return unmet(demand{!utf8.ValidString(a.GetClusterName()), "cluster_name: is not UTF-8"})
}

func (c *census) locality(l *endpointv3.LocalityLbEndpoints) error {
	at := spotOf{l.GetPriority(), l.GetLocality().GetRegion(), l.GetLocality().GetZone(), l.GetLocality().GetSubZone()}
	weight := uint64(l.GetLoadBalancingWeight().GetValue())
	c.weights[at.priority] += weight
	err := unmet(
		demand{l.GetLocality() == nil, "locality: is not set"},
		demand{!utf8.ValidString(at.region + at.zone + at.subZone), "locality: is not UTF-8"},
		demand{c.localities[at], "locality: occurs twice at its priority"},
		demand{weight == 0, "load_balancing_weight: is not set: gRPC would ignore the locality"},
		demand{c.weights[at.priority] > math.MaxUint32, "load_balancing_weight: the sum at the priority is above 32 bits"},
	)
	if err != nil {
		return err
	}
	c.localities[at] = true
	return c.endpoints(l.GetLbEndpoints())
}

func (c *census) endpoints(list []*endpointv3.LbEndpoint) error {
	sum := uint64(0)
	for i, e := range list {
		weight := uint64(1)
		if w := e.GetLoadBalancingWeight(); w != nil {
			weight = uint64(w.GetValue())
		}
		sum += weight
		at, err := socketOf(e.GetEndpoint().GetAddress())
		if err != nil {
			err = fmt.Errorf("endpoint.%w", err)
		} else {
			err = unmet(
				demand{weight == 0, "load_balancing_weight: is 0"},
				demand{sum > math.MaxUint32, "load_balancing_weight: the sum in the locality is above 32 bits"},
				demand{c.addresses[at], "endpoint.address: occurs twice"},
			)
		}
		if err != nil {
			return fmt.Errorf("lb_endpoints[%d].%w", i, err)
		}
		c.addresses[at] = true
	}
	return nil
}
