package agent

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer/xds"
)

const (
	webCluster  = "outbound|80||web.shop.svc.clusterset.local"
	webListener = "web.shop.svc.clusterset.local:80"
)

// servingXDS returns a member whose xDS server serves one service, web of namespace shop, with one endpoint.
func servingXDS(t *testing.T) *member {
	t.Helper()
	o, _ := valid(t)
	o.XDSAddress, o.XDSTLS, o.XDSMaxClients = "127.0.0.1:0", xdsPlain, 1
	m, err := newMember(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e := &federation.Export{
		Cluster: "west", Name: federation.ServiceName{Namespace: "shop", Name: "web"}, Created: noon, Type: federation.ClusterSetIP,
		Ports: []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}}, IPFamilies: []federation.IPFamily{federation.IPv4}, SessionAffinity: "None",
		Subsets: []federation.Subset{{
			Ports:     []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}},
			Endpoints: []federation.Endpoint{{Address: netip.MustParseAddr("10.1.0.1"), Zone: "eu-1", Region: "eu", Conditions: federation.Ready | federation.Serving}},
		}},
	}
	e.Normalize()
	m.store.Announce(1, []*federation.Export{e})
	m.importer.SetNamespace("shop", true)
	m.importer.Open()
	ctx, cancel := context.WithCancel(t.Context())
	var work sync.WaitGroup
	for _, start := range []func(context.Context) error{m.importer.Start, m.xds.Start} {
		work.Go(func() {
			if err := start(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		work.Wait()
		if err := m.port.Start(ctx); err != nil {
			t.Error(err)
		}
		m.http.listener.Close()
	})
	return m
}

// envoy is a client of the incremental variant, in zone eu-1.
type envoy struct {
	*testing.T
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	egress *structpb.Value
}

func newEnvoy(t *testing.T, address string) *envoy {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context(), grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return &envoy{t, stream, structpb.NewStringValue("127.0.0.1:15001")}
}

// asks subscribes to something of a type and returns the answer.
func (e *envoy) asks(typeURL, name string) *discoveryv3.DeltaDiscoveryResponse {
	e.Helper()
	e.send(&discoveryv3.DeltaDiscoveryRequest{
		Node: &corev3.Node{
			Id: "envoy-1", Cluster: "edge", UserAgentName: "envoy", Locality: &corev3.Locality{Region: "eu", Zone: "eu-1"},
			Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{xds.EgressKey: e.egress}},
		},
		TypeUrl: typeURL, ResourceNamesSubscribe: []string{name},
	})
	answer, err := e.stream.Recv()
	if err != nil {
		e.Fatal(err)
	}
	return answer
}

func (e *envoy) send(r *discoveryv3.DeltaDiscoveryRequest) {
	e.Helper()
	if err := e.stream.Send(r); err != nil {
		e.Fatal(err)
	}
}

// What a client subscribes to, takes and refuses is told of it, and counted.
func TestXDSClientsAreToldOf(t *testing.T) {
	m := servingXDS(t)
	e := newEnvoy(t, m.discovery().Address())
	first := e.asks(xds.ClusterType, "*")
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResponseNonce: first.GetNonce()})
	second := e.asks(xds.EndpointType, webCluster)
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResponseNonce: second.GetNonce(), ErrorDetail: &statuspb.Status{Message: "no locality"}})
	e.asks(xds.RouteType, xds.EgressName) // once that is answered, the requests before it were read
	all := m.discovery().ClientsCalled("envoy-1")
	if len(all) != 1 || len(all[0].Types) != 3 {
		t.Fatalf("%+v", all)
	}
	if listed := m.discovery().Clients(); len(listed) != 1 || listed[0].ID != "envoy-1" || listed[0].Types[1].Subscribed != 1 || listed[0].Types[1].Names != nil {
		t.Errorf("listed: %+v", listed)
	}
	if others := m.discovery().ClientsCalled("envoy-2"); len(others) != 0 {
		t.Errorf("%+v", others)
	}
	c := all[0]
	if c.ID != "envoy-1" || c.Group != "edge" || c.Variant != report.VariantDelta || c.Address == "" || time.Since(c.Since) > time.Minute ||
		c.Audience != (report.XDSAudience{Kind: report.KindEnvoy, Region: "eu", Zone: "eu-1", Egress: "127.0.0.1:15001"}) {
		t.Errorf("%+v", c)
	}
	clusters, endpoints := c.Types[0], c.Types[1]
	if clusters.Type != report.CDS || !clusters.Wildcard || clusters.Sent != clusters.Acked || clusters.LastNACK != nil {
		t.Errorf("clusters: %+v", clusters)
	}
	if endpoints.Type != report.EDS || endpoints.Wildcard || !slices.Equal(endpoints.Names, []string{webCluster}) || endpoints.Subscribed != 1 ||
		endpoints.LastNACK == nil || endpoints.LastNACK.Error != "no locality" || endpoints.LastNACK.Version != endpoints.Sent {
		t.Errorf("endpoints: %+v, %+v", endpoints, endpoints.LastNACK)
	}
	for _, line := range []string{
		`hansa_xds_streams{variant="delta"} 1`, `hansa_xds_streams{variant="sotw"} 0`, "hansa_xds_responses_total 3",
		"hansa_xds_refusals_total 1", "hansa_xds_slow_clients_total 0", "hansa_xds_quarantined_resources 0",
	} {
		if shown := scrapeAll(t, m.metrics()); !strings.Contains(shown, line+"\n") {
			t.Errorf("not shown: %s", line)
		}
	}
}

// What a client asks for in vain is told, and in its words without what is around them.
func TestWhatAnXDSClientAsksForInVainIsToldOf(t *testing.T) {
	m := servingXDS(t)
	e := newEnvoy(t, m.discovery().Address())
	e.egress = structpb.NewStringValue("localhost:15001")
	first := e.asks(xds.EndpointType, "outbound|80||wep.shop.svc.clusterset.local")
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResponseNonce: first.GetNonce(), ErrorDetail: &statuspb.Status{Message: "\n no locality\n"}})
	e.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: "type.googleapis.com/x"})
	e.asks(xds.ClusterType, "*")
	all := m.discovery().ClientsCalled("envoy-1")
	if len(all) != 1 || len(all[0].Types) != 2 || !slices.Equal(all[0].Unserved, []string{"type.googleapis.com/x"}) || !strings.Contains(all[0].EgressFault, "localhost:15001") {
		t.Fatalf("%+v", all)
	}
	clusters, endpoints := all[0].Types[0], all[0].Types[1]
	if !clusters.Unanswered || clusters.Missing != 0 || endpoints.Unanswered || endpoints.Missing != 1 || !slices.Equal(endpoints.Absent, endpoints.Names) || endpoints.LastNACK.Error != "no locality" {
		t.Errorf("%+v, %+v", all[0].Types, endpoints.LastNACK)
	}
}

// More clients than --xds-max-clients says are turned away.
func TestXDSClientsAreAsManyAsMayBe(t *testing.T) {
	m := servingXDS(t)
	newEnvoy(t, m.discovery().Address()).asks(xds.ClusterType, "*")
	if _, err := newEnvoy(t, m.discovery().Address()).stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("one more client is told %v", err)
	}
	if d := m.discovery(); d.MaxClients() != 1 || d.TurnedAway() != 1 {
		t.Errorf("%d may be connected, %d were turned away", d.MaxClients(), d.TurnedAway())
	}
	if shown := scrapeAll(t, m.metrics()); !strings.Contains(shown, "hansa_xds_turned_away_total 1\n") {
		t.Errorf("it is not counted:\n%s", shown)
	}
}

// What an audience is told is shown in the JSON of protobuf, priorities as from where it is.
func TestXDSResourcesAreShown(t *testing.T) {
	m := servingXDS(t)
	newEnvoy(t, m.discovery().Address()).asks(xds.ClusterType, "*") // from then on it is there
	envoy := report.XDSAudience{Kind: report.KindEnvoy, Region: "eu", Zone: "eu-1", Egress: "127.0.0.1:15001"}
	grpc := report.XDSAudience{Kind: report.KindGRPC}
	for _, c := range []struct {
		to   report.XDSAudience
		of   report.XDSType
		name string
		want string // "" for nothing
	}{
		{envoy, report.CDS, webCluster, `"type":"EDS"`},
		{envoy, report.EDS, webCluster, `"address":"10.1.0.1"`},
		{grpc, report.EDS, webCluster, `"subZone":"west"`},
		{envoy, report.LDS, "hansa-egress", `"portValue":15001`},
		{envoy, report.RDS, "hansa-egress", `"web.shop.svc.clusterset.local:80"`},
		{grpc, report.LDS, webListener, `"apiListener"`},
		{envoy, report.LDS, webListener, ""},
		{grpc, report.RDS, "hansa-egress", ""},
		{grpc, report.CDS, "none", ""},
	} {
		r, err := m.discovery().Resource(c.to, c.of, c.name)
		if err != nil || (r == nil) != (c.want == "") {
			t.Errorf("%s %s to %s: %+v, %v", c.of, c.name, c.to.Kind, r, err)
			continue
		}
		if r == nil {
			continue
		}
		text, err := json.Marshal(r) // without the spaces that protobuf puts in by chance
		if err != nil || r.Type != c.of || r.Name != c.name || r.Version == "" || !strings.Contains(string(text), c.want) {
			t.Errorf("%s %s to %s: %v\n%s\nwant in it %s", c.of, c.name, c.to.Kind, err, text, c.want)
		}
	}
	if names := m.discovery().Names(report.EDS); !slices.Equal(names, []string{webCluster}) {
		t.Errorf("%q", names)
	}
	if _, err := m.discovery().Resource(report.XDSAudience{Egress: "x"}, report.LDS, "x"); err == nil {
		t.Error("what is no address is taken for one")
	}
}

// Until the server answers clients there is nothing to show, which is no fault of any service.
func TestXDSResourcesAreNotShownBeforeClientsAreAnswered(t *testing.T) {
	o, _ := valid(t)
	o.XDSAddress, o.XDSTLS = "127.0.0.1:0", xdsPlain
	m, err := newMember(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	t.Cleanup(func() {
		if err := errors.Join(m.xds.Start(over), m.port.Start(over)); err != nil {
			t.Error(err)
		}
		m.http.listener.Close()
	})
	scene := report.Scene{Store: m.store, XDS: m.discovery(), Agent: report.Agent{Waiting: "the objects of this cluster have not been read yet"}}
	const want = "this agent is not ready: the objects of this cluster have not been read yet"
	if _, err := scene.XDSResources(report.XDSQuery{Type: report.EDS, Name: "shop/web"}); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	serving := servingXDS(t)
	newEnvoy(t, serving.discovery().Address()).asks(xds.ClusterType, "*") // from then on it answers
	scene.Store, scene.XDS = serving.store, serving.discovery()
	if told, err := scene.XDSResources(report.XDSQuery{Type: report.EDS, Name: "shop/web"}); err != nil || len(told.Resources) != 1 {
		t.Errorf("%+v, %v", told, err)
	}
}

// An agent without xDS says that it has none, rather than that nobody is connected.
func TestAnAgentWithoutXDSHasNoClients(t *testing.T) {
	if d := (&member{}).discovery(); d != nil {
		t.Errorf("%#v", d)
	}
}
