package xds

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// deltaClient is a raw ADS stream of the incremental variant.
type deltaClient struct {
	t *testing.T
	discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	node *corev3.Node // what the first request says
}

func dialDelta(t *testing.T, s *Server, node *corev3.Node) *deltaClient {
	t.Helper()
	return dialDeltaOver(t, connect(t, s), node)
}

func dialDeltaOver(t *testing.T, conn *grpc.ClientConn, node *corev3.Node) *deltaClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return &deltaClient{t, stream, node}
}

func (c *deltaClient) send(req *discoveryv3.DeltaDiscoveryRequest) {
	c.t.Helper()
	req.Node, c.node = c.node, nil
	if err := c.Send(req); err != nil {
		c.t.Fatal(err)
	}
}

func (c *deltaClient) add(typeURL string, names ...string) {
	c.t.Helper()
	c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: names})
}

// want receives the next response, which must be of that type, with these names: "-name" for one that is removed.
func (c *deltaClient) want(typeURL string, names ...string) *discoveryv3.DeltaDiscoveryResponse {
	c.t.Helper()
	resp, err := c.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, r := range resp.GetResources() {
		got = append(got, r.GetName())
	}
	for _, name := range resp.GetRemovedResources() {
		got = append(got, "-"+name)
	}
	if resp.GetTypeUrl() != typeURL || !slices.Equal(got, names) {
		c.t.Fatalf("got %s %q, want %s %q", resp.GetTypeUrl(), got, typeURL, names)
	}
	return resp
}

func (c *deltaClient) ack(resp *discoveryv3.DeltaDiscoveryResponse) {
	c.t.Helper()
	c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: resp.GetTypeUrl(), ResponseNonce: resp.GetNonce()})
}

// pass returns once everything sent before was taken: what is asked for now is answered after it.
func (c *deltaClient) pass() {
	c.t.Helper()
	c.add(RouteType, "nothing")
	c.ack(c.want(RouteType, "-nothing"))
}

// spots returns how many endpoints the assignments of a response have.
func spots(t *testing.T, resp *discoveryv3.DeltaDiscoveryResponse) (n int) {
	t.Helper()
	for _, r := range resp.GetResources() {
		var a endpointv3.ClusterLoadAssignment
		if err := r.GetResource().UnmarshalTo(&a); err != nil {
			t.Fatal(err)
		}
		for _, l := range a.GetEndpoints() {
			n += len(l.GetLbEndpoints())
		}
	}
	return n
}

// newQuietWorld is a world with web in it, and a Server of it.
func newQuietWorld(t *testing.T) (*world, *Server) {
	t.Helper()
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	return w, s
}

// newServer starts a Server of the world that is not as others are.
func (w *world) newServer(t *testing.T, change func(*Server)) (s *Server, stop func()) {
	t.Helper()
	s, err := New(Config{
		Address: "127.0.0.1:0", Cluster: "own", View: w.importer.View, Ready: w.importer.Ready(),
		Credentials: insecure.NewCredentials(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	change(s)
	return s, run(t, s.Start)
}

func TestAServiceOnTheWireOfDelta(t *testing.T) {
	w, s := newQuietWorld(t)
	c := dialDelta(t, s, nil)

	c.add(ClusterType)
	c.ack(c.want(ClusterType, webCluster))
	c.add(EndpointType, webCluster)
	c.ack(c.want(EndpointType, webCluster))
	c.add(ListenerType, webListener)
	c.ack(c.want(ListenerType, webListener))

	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready), spot("z1/10.0.0.2", ready)))
	resp := c.want(EndpointType, webCluster)
	if n := spots(t, resp); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	c.ack(resp)

	w.say(t, "b")
	c.ack(c.want(ListenerType, "-"+webListener))
	resp = c.want(EndpointType, webCluster)
	if n := spots(t, resp); n != 0 {
		t.Errorf("%d endpoints of a service that went, want none", n)
	}
	c.ack(resp)
	c.ack(c.want(ClusterType, "-"+webCluster))
	c.add(RouteType, "none") // its answer says that what was acknowledged before it is
	c.ack(c.want(RouteType, "-none"))

	w.say(t, "b", export("b", spot("z1/10.0.0.3", ready)))
	c.ack(c.want(ClusterType, webCluster))
	c.ack(c.want(EndpointType, webCluster))
	c.ack(c.want(ListenerType, webListener))
	if n := s.Refusals(); n != 0 {
		t.Errorf("%d responses refused", n)
	}
}

// A client that goes to the other replica says what it has, and is sent nothing of it again.
func TestAnotherReplicaSendsNothingTwice(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	first, stop := w.serve(t, "127.0.0.1:0")
	second, _ := w.serve(t, "127.0.0.1:0")
	node := &corev3.Node{Id: "app-1", UserAgentName: "gRPC Go", Locality: &corev3.Locality{Region: "r1", Zone: "z1"}}
	asked := map[string][]string{ClusterType: nil, EndpointType: {webCluster}, ListenerType: {webListener}}
	has := map[string]map[string]string{}
	c := dialDelta(t, first, node)
	for _, typeURL := range []string{ClusterType, EndpointType, ListenerType} {
		c.add(typeURL, asked[typeURL]...)
		resp, err := c.Recv()
		if err != nil {
			t.Fatal(err)
		}
		c.ack(resp)
		has[typeURL] = map[string]string{}
		for _, r := range resp.GetResources() {
			has[typeURL][r.GetName()] = r.GetVersion()
		}
		if len(has[typeURL]) != 1 {
			t.Fatalf("%s: got %v", typeURL, has[typeURL])
		}
	}
	stop()

	c = dialDelta(t, second, node)
	for _, typeURL := range []string{ClusterType, EndpointType, ListenerType} {
		c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL, ResourceNamesSubscribe: asked[typeURL], InitialResourceVersions: has[typeURL]})
		c.ack(c.want(typeURL))
	}
	w.say(t, "b", export("b", spot("z1/10.0.0.2", ready)))
	c.ack(c.want(EndpointType, webCluster))
}

func TestARefusalOfDeltaIsToldOfTheClient(t *testing.T) {
	w, s := newQuietWorld(t)
	c := dialDelta(t, s, &corev3.Node{Id: "app-1", Cluster: "apps", UserAgentName: "gRPC Go", UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: "1.2"}})
	c.add(EndpointType, webCluster)
	taken := c.want(EndpointType, webCluster)
	c.ack(taken)
	w.say(t, "b", export("b", spot("z1/10.0.0.2", ready)))
	refused := c.want(EndpointType, webCluster)
	c.pass()
	if got := typeOf(t, s, EndpointType); !got.Unacked || got.Acked != taken.GetSystemVersionInfo() || got.Sent != refused.GetSystemVersionInfo() {
		t.Errorf("before an answer: %+v", got)
	}
	c.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: EndpointType, ResponseNonce: refused.GetNonce(),
		ErrorDetail: &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: strings.Repeat("é", maxWords)},
	})
	c.pass()
	if n := s.Refusals(); n != 1 {
		t.Errorf("%d refusals, want 1", n)
	}
	got := typeOf(t, s, EndpointType)
	if got.Refusals != 1 || got.Unacked || got.Acked != taken.GetSystemVersionInfo() || got.Refused != refused.GetSystemVersionInfo() ||
		got.At.IsZero() || !strings.HasPrefix(got.Error, "éé") || len(got.Error) > maxWords+len("…") || !slices.Equal(got.Names, []string{webCluster}) {
		t.Errorf("after the refusal: %+v", got)
	}
	dumped, err := s.Dump(Audience{Kind: GRPC}, EndpointType, webCluster)
	if err != nil || dumped.Version != refused.GetResources()[0].GetVersion() {
		t.Fatalf("dumped %+v (%v), want what was refused", dumped, err)
	}
	var want endpointv3.ClusterLoadAssignment
	if err := refused.GetResources()[0].GetResource().UnmarshalTo(&want); err != nil || !proto.Equal(dumped.Message, &want) {
		t.Errorf("dumped %v, want %v (%v)", dumped.Message, &want, err)
	}
	w.say(t, "b", export("b", spot("z1/10.0.0.3", ready)))
	c.ack(c.want(EndpointType, webCluster))
	c.pass()
	if got := typeOf(t, s, EndpointType); got.Acked != got.Sent || got.Acked == taken.GetSystemVersionInfo() || got.Refusals != 1 {
		t.Errorf("after the next change: %+v", got)
	}
}

// typeOf returns what the only client of a server has of a type.
func typeOf(t *testing.T, s *Server, typeURL string) ClientType {
	t.Helper()
	list := s.Clients()
	if len(list) != 1 {
		t.Fatalf("%d clients, want 1", len(list))
	}
	if list = s.ClientsCalled(list[0].Address); len(list) != 1 {
		t.Fatalf("%d clients of its address, want 1", len(list))
	}
	for _, d := range list[0].Types {
		if d.TypeURL == typeURL {
			return d
		}
	}
	t.Fatalf("it did not ask for %s: %+v", typeURL, list[0])
	return ClientType{}
}

// askAll asks for all clusters.
func askAll(c *client) *discoveryv3.DiscoveryResponse {
	c.t.Helper()
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ClusterType})
	return c.want(ClusterType, webCluster)
}

// An Envoy may ask for something else first, and says who it is only then.
func TestWhoAClientIsCountsWhateverItAsksForFirst(t *testing.T) {
	_, s := newQuietWorld(t)
	c := dialDelta(t, s, proxy("127.0.0.1:15001"))
	c.add("type.googleapis.com/envoy.service.runtime.v3.Runtime", "rtds")
	c.add(ListenerType)
	c.want(ListenerType, EgressName)
}

func TestWhereAnEnvoyCannotListenIsNobodyElsesFault(t *testing.T) {
	_, s := newQuietWorld(t)
	for _, at := range []string{"127.0.0.1:0", "[fe80::1%eth0]:15001"} {
		c := dialDelta(t, s, proxy(at))
		c.add(ListenerType)
		c.want(ListenerType)
	}
	if q := s.Quarantined(); len(q) > 0 {
		t.Errorf("in quarantine: %v", q)
	}
}
