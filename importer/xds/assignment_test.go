package xds

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// TestAssignmentsAreWhatASlowReadingOfTheRulesMakes compares what is laid together of encoded pieces, many of them from the
// assignment before, with what is sorted, grouped and encoded as a whole.
func TestAssignmentsAreWhatASlowReadingOfTheRulesMakes(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 7))
		who := randomAudience(r)
		exports := randomExports(r)
		before := map[uint16]*assignment{}
		for range 3 {
			exports[r.IntN(len(exports))] = randomExports(r)[0] // of whichever cluster
			slices.SortFunc(exports, func(a, b *federation.Export) int { return cmp.Compare(a.Cluster, b.Cluster) })
			exports = slices.CompactFunc(exports, func(a, b *federation.Export) bool { return a.Cluster == b.Cluster })
			s := importer.Merge(exports)
			for range exports {
				s.Fates = append(s.Fates, []federation.Fate{federation.Served, federation.Served, federation.Demoted, federation.Withdrawn}[r.IntN(4)])
			}
			for _, p := range s.Ports {
				a := newAssignment("web", s, p, "c2", before[p.Number])
				before[p.Number] = a
				got, err := a.encode(who)
				if err != nil {
					t.Fatal(err)
				}
				if want := encode(slowly("web", s, p, "c2", who)); !bytes.Equal(got.value(), want) || got.size != len(want) {
					t.Fatalf("seed %d, port %d: got %x\nwant %x", seed, p.Number, got.value(), want)
				}
			}
		}
	}
}

// fitness is of how much use an endpoint is, for each of its eight conditions: ready is enough for the best, serving is enough
// only for one that terminates, and only where nobody is ready.
var fitness = map[federation.Conditions]int{
	federation.Ready:                                               2,
	federation.Ready | federation.Serving:                          2,
	federation.Ready | federation.Terminating:                      2,
	federation.Ready | federation.Serving | federation.Terminating: 2,
	federation.Serving | federation.Terminating:                    1,
	federation.Serving:                                             0,
	federation.Terminating:                                         0,
	0:                                                              0,
}

// slowly is a ClusterLoadAssignment, made in the plainest way.
func slowly(name string, s *importer.Service, p importer.Port, own federation.ClusterID, who Audience) *endpointv3.ClusterLoadAssignment {
	type place struct {
		importer.Backend
		address      netip.AddrPort
		tier         int
		region, zone string
	}
	var list []place
	for b := range s.Backends(p) {
		if b.Endpoint.Address.IsValid() {
			list = append(list, place{
				b, netip.AddrPortFrom(b.Endpoint.Address.Unmap().WithZone(""), b.Port), fitness[b.Endpoint.Conditions],
				strings.ToValidUTF8(b.Endpoint.Region, "_"), strings.ToValidUTF8(b.Endpoint.Zone, "_"),
			})
		}
	}
	claimant := func(p place) federation.ClusterID {
		if p.Cluster == own {
			return ""
		}
		return p.Cluster
	}
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(a.address.Compare(b.address), cmp.Compare(claimant(a), claimant(b)), cmp.Compare(b.tier, a.tier),
			cmp.Compare(a.region, b.region), cmp.Compare(a.zone, b.zone))
	})
	list = slices.CompactFunc(list, func(a, b place) bool { return a.address == b.address })
	best := 0
	for _, p := range list {
		best = max(best, p.tier)
	}
	type spot struct {
		priority uint32
		region   string
		zone     string
		cluster  federation.ClusterID
	}
	groups := map[spot][]*endpointv3.LbEndpoint{}
	var spots []spot
	for _, p := range list {
		if best == 0 || p.tier < best {
			continue
		}
		at := spot{distance(who, own, p.Cluster, p.region, p.zone, p.Demoted), p.region, p.zone, p.Cluster}
		if groups[at] == nil {
			spots = append(spots, at)
		}
		groups[at] = append(groups[at], healthy(p.address))
	}
	slices.SortFunc(spots, func(a, b spot) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.region, b.region), cmp.Compare(a.zone, b.zone), cmp.Compare(a.cluster, b.cluster))
	})
	a := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	var priorities []uint32
	for _, at := range spots {
		if !slices.Contains(priorities, at.priority) {
			priorities = append(priorities, at.priority)
		}
		a.Endpoints = append(a.Endpoints, &endpointv3.LocalityLbEndpoints{
			Locality:            &corev3.Locality{Region: at.region, Zone: at.zone, SubZone: string(at.cluster)},
			Priority:            uint32(len(priorities) - 1),
			LbEndpoints:         groups[at],
			LoadBalancingWeight: wrapperspb.UInt32(uint32(len(groups[at]))),
		})
	}
	return a
}

// distance says how far endpoints are from a client where their owner wishes nothing: 0 for its zone in this cluster, 1 for
// this cluster, 2 for its region, 3 for the rest, 4 for those of clusters that are not heard.
func distance(of Audience, own, cluster federation.ClusterID, region, zone string, demoted bool) uint32 {
	near := of.Region != "" && of.Region == region
	switch {
	case demoted:
		return 4
	case cluster == own && of.Zone != "" && of.Zone == zone && (near || of.Region == "" || region == ""):
		return 0
	case cluster == own:
		return 1
	case near:
		return 2
	}
	return 3
}

func healthy(a netip.AddrPort) *endpointv3.LbEndpoint {
	socket := &corev3.SocketAddress{Address: a.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())}}
	return &endpointv3.LbEndpoint{
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: socket}},
		}},
		HealthStatus: corev3.HealthStatus_HEALTHY,
	}
}

func TestAPriorityThatNobodyHasIsLeftOut(t *testing.T) {
	exports := []*federation.Export{export("a", spot("z1/10.0.0.1", ready)), export("own", spot("z1/10.1.0.1", ready), spot("z2/10.1.0.2", ready))}
	exports[0].Subsets[0].Endpoints[0].Region = "r2"
	for who, want := range map[Audience][]string{
		{Region: "r1", Zone: "z1"}: {"r1/z1/own weight 1: 10.1.0.1:8080", "r1/z2/own weight 1 at last: 10.1.0.2:8080", "r2/z1/a weight 1 at last at last: 10.0.0.1:8080"},
		{Region: "r1", Zone: "z3"}: {"r1/z1/own weight 1: 10.1.0.1:8080", "r1/z2/own weight 1: 10.1.0.2:8080", "r2/z1/a weight 1 at last: 10.0.0.1:8080"},
		{Region: "r2", Zone: "z2"}: {"r1/z1/own weight 1: 10.1.0.1:8080", "r1/z2/own weight 1: 10.1.0.2:8080", "r2/z1/a weight 1 at last: 10.0.0.1:8080"},
	} {
		if got := lines(t, resources(t, importer.Merge(exports), "own", "clusterset.local", who)[1]); !slices.Equal(got, want) {
			t.Errorf("%+v: got %q\nwant %q", who, got, want)
		}
	}
}

// What the oldest export wishes is in priorities and weights, and comes anew when it is all that changed.
func TestAnAssignmentIsAsItsOwnerWishes(t *testing.T) {
	a := export("a", spot("z1/10.0.0.1", ready), spot("z1/10.0.0.2", 0), spot("z1/10.0.0.3", federation.Terminating))
	own := export("own", spot("z1/10.1.0.1", ready), spot("z2/10.1.0.2", ready))
	a.Created = own.Created.Add(-1)
	var before *assignment
	for _, tt := range []struct {
		wish federation.Steering
		want []string
	}{
		{federation.Steering{}, []string{"r1/z1/own weight 1: 10.1.0.1:8080", "r1/z2/own weight 1 at last: 10.1.0.2:8080", "r1/z1/a weight 1 at last at last: 10.0.0.1:8080"}},
		{federation.Steering{Prefer: []string{"a", "any"}}, []string{"r1/z1/a weight 1: 10.0.0.1:8080", "r1/z1/own weight 1 at last: 10.1.0.1:8080", "r1/z2/own weight 1 at last: 10.1.0.2:8080"}},
		{federation.Steering{Prefer: []string{"any"}, Weights: []federation.Weight{{Cluster: "own", Weight: 7}}}, []string{"r1/z1/a weight 100: 10.0.0.1:8080", "r1/z1/own weight 7: 10.1.0.1:8080", "r1/z2/own weight 7: 10.1.0.2:8080"}},
		{federation.Steering{Weights: []federation.Weight{{Cluster: "own"}}}, []string{"r1/z1/a weight 100: 10.0.0.1:8080"}},
		{federation.Steering{Prefer: []string{"a", "any"}, MinHealthy: 100}, []string{"r1/z1/a weight 50000: 10.0.0.1:8080", "r1/z1/own weight 25000: 10.1.0.1:8080", "r1/z2/own weight 25000: 10.1.0.2:8080"}},
	} {
		a.Steering = tt.wish
		s := importer.Merge([]*federation.Export{a, own})
		after := newAssignment("web", s, s.Ports[0], "own", before)
		if before != nil && after.equal(before) {
			t.Errorf("%+v is taken for what was before", tt.wish)
		}
		b, err := after.encode(Audience{Region: "r1", Zone: "z1"})
		if err != nil {
			t.Fatal(err)
		}
		if got := lines(t, told{Body: &anypb.Any{TypeUrl: EndpointType, Value: b.value()}}); !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q, want %q", tt.wish, got, tt.want)
		}
		before = after
	}
}

// Only the cluster that changed is encoded anew, and nothing that another one of the service holds is held twice.
func TestWhatAClusterGivesIsKeptUntilItsExportChanges(t *testing.T) {
	a, b := export("a", spot("z1/10.0.0.1", ready)), export("b", spot("z1/10.1.0.1", ready))
	s := importer.Merge([]*federation.Export{a, b})
	before := newAssignment("web", s, s.Ports[0], "own", nil)
	if _, err := before.encode(near); err != nil {
		t.Fatal(err)
	}
	s = importer.Merge([]*federation.Export{a, export("b", spot("z1/10.1.0.2", ready))})
	unasked := newAssignment("web", s, s.Ports[0], "own", before)
	after := newAssignment("web", s, s.Ports[0], "own", unasked)
	if got, was := after.portions(), before.portions(); got[0] != was[0] || got[1] == was[1] {
		t.Errorf("the first is another: %t, the second is the same: %t", got[0] != was[0], got[1] == was[1])
	}
	one, err := after.encode(near)
	if err != nil {
		t.Fatal(err)
	}
	two, err := after.encode(Audience{Region: "r2"})
	if err != nil {
		t.Fatal(err)
	}
	if &one.pieces[1][0] != &two.pieces[1][0] {
		t.Error("two Audiences hold endpoints of their own")
	}
}
