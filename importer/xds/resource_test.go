package xds

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

const (
	ready       = federation.Ready | federation.Serving
	terminating = federation.Serving | federation.Terminating
)

// spot is an endpoint of a test: zone/address in region r1.
func spot(zoneAndAddress string, c federation.Conditions) federation.Endpoint {
	zone, addr, _ := strings.Cut(zoneAndAddress, "/")
	return federation.Endpoint{Address: netip.MustParseAddr(addr), Region: "r1", Zone: zone, Conditions: c}
}

// export is web in shop, port 80 at 8080 of the endpoints.
func export(cluster federation.ClusterID, endpoints ...federation.Endpoint) *federation.Export {
	e := &federation.Export{
		Cluster: cluster,
		Name:    webName,
		Created: time.Unix(1_700_000_000, 0),
		Type:    federation.ClusterSetIP, SessionAffinity: "None",
		Ports: []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}},
		Subsets: []federation.Subset{{
			Ports:     []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}},
			Endpoints: endpoints,
		}},
	}
	e.Normalize()
	return e
}

// lines returns what an assignment says, a line for each endpoint; "at last" once for each priority below the first.
func lines(t *testing.T, r told) []string {
	t.Helper()
	var a endpointv3.ClusterLoadAssignment
	if err := r.Body.UnmarshalTo(&a); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, l := range a.GetEndpoints() {
		for _, e := range l.GetLbEndpoints() {
			s := e.GetEndpoint().GetAddress().GetSocketAddress()
			priority := strings.Repeat(" at last", int(l.GetPriority()))
			all = append(all, fmt.Sprintf("%s/%s/%s weight %d%s: %s:%d", l.GetLocality().GetRegion(), l.GetLocality().GetZone(),
				l.GetLocality().GetSubZone(), l.GetLoadBalancingWeight().GetValue(), priority, s.GetAddress(), s.GetPortValue()))
		}
	}
	return all
}

func TestEndpointsThatClientsAreTold(t *testing.T) {
	tests := map[string]struct {
		exports []*federation.Export
		want    []string
	}{
		"grouped by zone and cluster, weighed by number": {
			[]*federation.Export{
				export("a", spot("z1/10.0.0.2", ready), spot("z2/10.0.0.3", ready), spot("z1/10.0.0.1", ready)),
				export("b", spot("z1/10.1.0.1", ready)),
			},
			[]string{"r1/z1/a weight 2: 10.0.0.1:8080", "r1/z1/a weight 2: 10.0.0.2:8080", "r1/z1/b weight 1: 10.1.0.1:8080", "r1/z2/a weight 1: 10.0.0.3:8080"},
		},
		"only the ready ones while there are any, in any cluster": {
			[]*federation.Export{export("a", spot("z1/10.0.0.1", terminating)), export("b", spot("z1/10.1.0.1", ready), spot("z1/10.1.0.2", 0))},
			[]string{"r1/z1/b weight 1: 10.1.0.1:8080"},
		},
		"those that serve until they are gone when none is ready": {
			[]*federation.Export{export("a", spot("z1/10.0.0.1", terminating), spot("z1/10.0.0.2", federation.Terminating))},
			[]string{"r1/z1/a weight 1: 10.0.0.1:8080"},
		},
		"nobody when none serves": {[]*federation.Export{export("a", spot("z1/10.0.0.1", 0))}, nil},
		"an address that two claim: the lower cluster ID": {
			[]*federation.Export{export("a", spot("z1/10.0.0.1", ready)), export("b", spot("z2/10.0.0.1", ready))},
			[]string{"r1/z1/a weight 1: 10.0.0.1:8080"},
		},
		"an address that two claim: our own first": {
			[]*federation.Export{export("a", spot("z1/10.0.0.1", ready)), export("own", spot("z2/10.0.0.1", ready))},
			[]string{"r1/z2/own weight 1: 10.0.0.1:8080"},
		},
		"our own word on an address holds also when it is not ready": {
			[]*federation.Export{export("a", spot("z1/10.0.0.1", ready), spot("z1/10.0.0.2", ready)), export("own", spot("z2/10.0.0.1", 0))},
			[]string{"r1/z1/a weight 1: 10.0.0.2:8080"},
		},
		"IPv6, and IPv4 that is written as IPv6": {
			[]*federation.Export{export("a", spot("z1/fd00::1", ready), spot("z1/::ffff:10.0.0.1", ready), spot("z1/10.0.0.1", ready))},
			[]string{"r1/z1/a weight 2: 10.0.0.1:8080", "r1/z1/a weight 2: fd00::1:8080"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			list := resources(t, importer.Merge(tt.exports), "own", "clusterset.local", Audience{})
			if len(list) != 3 {
				t.Fatalf("%d resources of one port, want 3", len(list))
			}
			if got := lines(t, list[1]); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestOnlyTCPPortsHaveResourcesUnderTheirHost(t *testing.T) {
	e := export("a", spot("z1/10.0.0.1", ready))
	e.Ports = append(e.Ports, federation.Port{Name: "dns", Protocol: federation.UDP, Number: 53}, federation.Port{Name: "admin", Protocol: federation.TCP, Number: 9000})
	var got []string
	for _, r := range resources(t, importer.Merge([]*federation.Export{e}), "a", "example.org", Audience{}) {
		got = append(got, r.TypeURL[strings.LastIndex(r.TypeURL, ".")+1:]+" "+r.Name)
	}
	want := []string{
		"Cluster outbound|80||web.shop.svc.example.org", "ClusterLoadAssignment outbound|80||web.shop.svc.example.org", "Listener web.shop.svc.example.org:80",
		"Cluster outbound|9000||web.shop.svc.example.org", "ClusterLoadAssignment outbound|9000||web.shop.svc.example.org", "Listener web.shop.svc.example.org:9000",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestAnEndpointChangesOnlyItsAssignment(t *testing.T) {
	before := resources(t, importer.Merge([]*federation.Export{export("a", spot("z1/10.0.0.1", ready))}), "a", "clusterset.local", near)
	after := resources(t, importer.Merge([]*federation.Export{export("a", spot("z1/10.0.0.2", ready))}), "a", "clusterset.local", near)
	for i := range before {
		changed := !proto.Equal(before[i].Body, after[i].Body)
		if changed != (before[i].TypeURL == EndpointType) || changed == (before[i].Version == after[i].Version) {
			t.Errorf("%s: changed %t, versions %s and %s", before[i].TypeURL, changed, before[i].Version, after[i].Version)
		}
	}
}
