package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/probe"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// xdsReader subscribes to all clusters and listeners of an agent, and to the assignment of web. It notes all that it is
// told, and acknowledges it.
type xdsReader struct {
	t      *testing.T
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	told   []string // "CDS web": it came or changed; "CDS -web": it went
	spots  []string // what the assignment says: priority, locality and address
}

var shortTypes = map[string]string{resourcev3.ClusterType: "CDS", resourcev3.EndpointType: "EDS", resourcev3.ListenerType: "LDS"}

// readXDS connects to an agent as a client in a region and a zone.
func readXDS(t *testing.T, address, region, zone string) *xdsReader {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	r := &xdsReader{t: t, stream: stream}
	node := &corev3.Node{Id: zone, UserAgentName: "gRPC", Locality: &corev3.Locality{Region: region, Zone: zone}}
	r.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resourcev3.ClusterType, Node: node})
	r.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resourcev3.ListenerType})
	r.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resourcev3.EndpointType, ResourceNamesSubscribe: []string{probe.ClusterName(webHost, 80)}})
	return r
}

func (r *xdsReader) send(req *discoveryv3.DeltaDiscoveryRequest) {
	r.t.Helper()
	if err := r.stream.Send(req); err != nil {
		r.t.Fatal(err)
	}
}

// until reads until what it was told is as wanted.
func (r *xdsReader) until(what string, wanted func() bool) {
	r.t.Helper()
	for !wanted() {
		resp, err := r.stream.Recv()
		if err != nil {
			r.t.Fatalf("waiting for %s: %v; told %q, endpoints %q", what, err, r.told, r.spots)
		}
		short := shortTypes[resp.GetTypeUrl()]
		for _, res := range resp.GetResources() {
			r.told = append(r.told, short+" "+res.GetName())
			if short == "EDS" {
				r.assign(res)
			}
		}
		for _, name := range resp.GetRemovedResources() {
			r.told = append(r.told, short+" -"+name)
		}
		r.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resp.GetTypeUrl(), ResponseNonce: resp.GetNonce()})
	}
}

func (r *xdsReader) assign(res *discoveryv3.Resource) {
	r.t.Helper()
	var a endpointv3.ClusterLoadAssignment
	if err := res.GetResource().UnmarshalTo(&a); err != nil {
		r.t.Fatal(err)
	}
	r.spots = nil
	for _, l := range a.GetEndpoints() {
		for _, e := range l.GetLbEndpoints() {
			at := e.GetEndpoint().GetAddress().GetSocketAddress()
			r.spots = append(r.spots, fmt.Sprintf("%d %s/%s/%s %s:%d", l.GetPriority(), l.GetLocality().GetRegion(), l.GetLocality().GetZone(),
				l.GetLocality().GetSubZone(), at.GetAddress(), at.GetPortValue()))
		}
	}
	slices.Sort(r.spots)
}

// reads returns a condition: the endpoints are just these.
func (r *xdsReader) reads(spots ...string) func() bool {
	return func() bool { return slices.Equal(r.spots, spots) }
}

// saw reports whether it was told all of these, in this order.
func (r *xdsReader) saw(events ...string) func() bool {
	return func() bool {
		left := events
		for _, e := range r.told {
			if len(left) > 0 && e == left[0] {
				left = left[1:]
			}
		}
		return len(left) == 0
	}
}

// neverOf fails the test if anything that it was told names a service that is not exported.
func (r *xdsReader) neverOf(service string) {
	r.t.Helper()
	if i := slices.IndexFunc(r.told, func(e string) bool { return strings.Contains(e, service) }); i >= 0 {
		r.t.Errorf("told of what is not exported: %s", r.told[i])
	}
}

// zoned is a node of a test.
func zoned(region, zone string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{
		Name: "node-" + zone, Labels: map[string]string{corev1.LabelTopologyRegion: region, corev1.LabelTopologyZone: zone},
	}}
}

func onNode(address, zone string) discoveryv1.Endpoint {
	return discoveryv1.Endpoint{Addresses: []string{address}, NodeName: new("node-" + zone)}
}

// Clients of xDS in west are told of web in east while it is exported, in order and each as near as it is, and never of
// private, which is not exported.
func TestXDSShowsWhatIsExported(t *testing.T) {
	rule.Covers(t, "E1", "#56")
	s := tell(t, "east", "west")
	s.create("west", namespace())
	s.create("east", namespace(), zoned("eu", "eu-1"), zoned("us", "us-1"))
	s.create("east", service("private"), slice("private", "private", "10.1.0.9"))
	listed := slice("web", "web-1")
	listed.Endpoints = []discoveryv1.Endpoint{onNode("10.1.0.1", "eu-1"), onNode("10.1.0.2", "us-1")}
	s.create("east", service("web"), listed)

	address := s.Member("west").XDS
	eu, us := readXDS(t, address, "eu", "eu-7"), readXDS(t, address, "us", "us-7")
	const nearEU, farUS = "0 eu/eu-1/east 10.1.0.1:8080", "1 us/us-1/east 10.1.0.2:8080"
	const nearUS, farEU = "0 us/us-1/east 10.1.0.2:8080", "1 eu/eu-1/east 10.1.0.1:8080"
	cluster, listener := probe.ClusterName(webHost, 80), webHost+":80"

	s.create("east", exportOf("web"))
	for _, r := range []*xdsReader{eu, us} {
		r.until("web", r.saw("CDS "+cluster, "EDS "+cluster, "LDS "+listener))
	}
	eu.until("the endpoints, eu first", eu.reads(nearEU, farUS))
	us.until("the endpoints, us first", us.reads(nearUS, farEU))

	var now discoveryv1.EndpointSlice
	if err := s.Member("east").Client.Get(t.Context(), client.ObjectKeyFromObject(listed), &now); err != nil {
		t.Fatal(err)
	}
	now.Endpoints = append(now.Endpoints[:1], onNode("10.1.0.3", "us-1"))
	if err := s.Member("east").Client.Update(t.Context(), &now); err != nil {
		t.Fatal(err)
	}
	eu.until("the change", eu.reads(nearEU, "1 us/us-1/east 10.1.0.3:8080"))
	us.until("the change", us.reads("0 us/us-1/east 10.1.0.3:8080", farEU))

	for _, r := range []*xdsReader{eu, us} {
		r.neverOf("private")
		r.told = nil
	}
	s.delete("east", exportOf("web"))
	for _, r := range []*xdsReader{eu, us} {
		r.until("the end of web", r.saw("LDS -"+listener, "EDS "+cluster, "CDS -"+cluster))
		if len(r.spots) > 0 {
			t.Errorf("of what is not exported any more %q are left", r.spots)
		}
	}
	s.create("east", exportOf("web"))
	for _, r := range []*xdsReader{eu, us} {
		r.until("web again", r.saw("CDS -"+cluster, "CDS "+cluster, "EDS "+cluster, "LDS "+listener))
		r.neverOf("private")
	}
}
