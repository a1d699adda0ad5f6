package xds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	webCluster  = "outbound|80||web.shop.svc.clusterset.local"
	webListener = "web.shop.svc.clusterset.local:80"
)

// client is a raw ADS stream.
type client struct {
	t *testing.T
	discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
}

func dial(t *testing.T, s *Server) *client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(connect(t, s)).StreamAggregatedResources(ctx, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	return &client{t, stream}
}

func connect(t *testing.T, s *Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(s.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *client) send(req *discoveryv3.DiscoveryRequest) {
	c.t.Helper()
	if err := c.Send(req); err != nil {
		c.t.Fatal(err)
	}
}

// want receives the next response, which must be of that type with these names, and acknowledges it.
func (c *client) want(typeURL string, names ...string) *discoveryv3.DiscoveryResponse {
	c.t.Helper()
	resp, err := c.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, body := range resp.GetResources() {
		m, err := body.UnmarshalNew()
		if err != nil {
			c.t.Fatal(err)
		}
		switch m := m.(type) {
		case interface{ GetClusterName() string }:
			got = append(got, m.GetClusterName())
		case interface{ GetName() string }:
			got = append(got, m.GetName())
		}
	}
	if resp.GetTypeUrl() != typeURL || !slices.Equal(got, names) {
		c.t.Fatalf("got %s %q, want %s %q", resp.GetTypeUrl(), got, typeURL, names)
	}
	return resp
}

func (c *client) ack(resp *discoveryv3.DiscoveryResponse, names ...string) {
	c.t.Helper()
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: resp.GetTypeUrl(), VersionInfo: resp.GetVersionInfo(), ResponseNonce: resp.GetNonce(), ResourceNames: names})
}

func endpoints(t *testing.T, resp *discoveryv3.DiscoveryResponse) int {
	t.Helper()
	n := 0
	for _, body := range resp.GetResources() {
		var a endpointv3.ClusterLoadAssignment
		if err := body.UnmarshalTo(&a); err != nil {
			t.Fatal(err)
		}
		for _, l := range a.GetEndpoints() {
			n += len(l.GetLbEndpoints())
		}
	}
	return n
}

func TestAServiceOnTheWire(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	c := dial(t, s)

	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, ResourceNames: []string{webListener}})
	c.ack(c.want(ListenerType, webListener), webListener)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ClusterType, ResourceNames: []string{webCluster}})
	c.ack(c.want(ClusterType, webCluster), webCluster)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: []string{webCluster}})
	c.ack(c.want(EndpointType, webCluster), webCluster)

	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready), spot("z1/10.0.0.2", ready)))
	resp := c.want(EndpointType, webCluster)
	if n := endpoints(t, resp); n != 2 {
		t.Errorf("%d endpoints, want 2", n)
	}
	c.ack(resp, webCluster)

	w.say(t, "b")
	c.want(ListenerType)
	resp = c.want(EndpointType, webCluster)
	if n := endpoints(t, resp); n != 0 {
		t.Errorf("%d endpoints of a service that went, want none", n)
	}
	c.want(ClusterType)
}

func TestARefusalIsCountedAndTheNextChangeIsSent(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	c := dial(t, s)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: []string{webCluster}})
	resp := c.want(EndpointType, webCluster)
	c.send(&discoveryv3.DiscoveryRequest{
		TypeUrl: EndpointType, ResponseNonce: resp.GetNonce(), ResourceNames: []string{webCluster},
		ErrorDetail: &rpcstatus.Status{Code: int32(codes.InvalidArgument), Message: strings.Repeat("no ", 1000)},
	})
	// The answer to another type shows that the refusal was taken, and that nothing was sent for it.
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, ResourceNames: []string{webListener}})
	c.want(ListenerType, webListener)
	if n := s.Refusals(); n != 1 {
		t.Errorf("%d refusals, want 1", n)
	}
	w.say(t, "b", export("b", spot("z1/10.0.0.2", ready)))
	c.want(EndpointType, webCluster)
}

func TestNobodyIsAnsweredBeforeReady(t *testing.T) {
	w := newWorld(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	conn := connect(t, s)
	answered := make(chan *discoveryv3.DiscoveryResponse, 1)
	go func() {
		defer close(answered)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx, grpc.WaitForReady(true))
		if err != nil {
			return
		}
		if c.Send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, ResourceNames: []string{webListener}}) == nil {
			resp, _ := c.Recv()
			answered <- resp
		}
	}()
	select {
	case resp := <-answered:
		t.Fatalf("answered before Ready: %v", resp)
	case <-time.After(200 * time.Millisecond): // gives a wrong answer the time to come
	}
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	if resp := <-answered; len(resp.GetResources()) != 1 {
		t.Errorf("the first answer is %v, want the listener", resp)
	}
}

func TestAServerThatNeverWasReadyEnds(t *testing.T) {
	w := newWorld(t)
	_, stop := w.serve(t, "127.0.0.1:0")
	stop()
}

func TestWhoAsksForTooMuchIsToldSo(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, _ := w.serve(t, "127.0.0.1:0")
	names := make([]string, maxNames+1)
	for i := range names {
		names[i] = fmt.Sprint(i)
	}
	c := dial(t, s)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ClusterType, ResourceNames: names})
	_, err := c.Recv()
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "50001 resource names on one stream: want at most 50000") {
		t.Errorf("got %v", err)
	}
}

func TestAnEndingServerLetsItsClientsGo(t *testing.T) {
	w := newWorld(t)
	w.say(t, "b", export("b", spot("z1/10.0.0.1", ready)))
	w.open(t)
	s, stop := w.serve(t, "127.0.0.1:0")
	c := dial(t, s)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, ResourceNames: []string{webListener}})
	c.want(ListenerType, webListener)
	stop()
	if _, err := c.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want Unavailable", err)
	}
	for k, e := range s.store.every() {
		if len(e.subscribers) > 0 {
			t.Errorf("%s is still subscribed to", k.name)
		}
	}
}

func TestAClientThatDoesNotReadIsCut(t *testing.T) {
	w := newWorld(t)
	var spots []federation.Endpoint
	for i := range 10_000 {
		spots = append(spots, spot(fmt.Sprintf("z1/10.0.%d.%d", i/256, i%256), ready))
	}
	w.say(t, "b", export("b", spots...))
	w.open(t)
	s, stop := w.serve(t, "127.0.0.1:0")
	s.grace = 0
	c := dial(t, s)
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: []string{webCluster}})
	if _, err := c.Header(); err != nil { // the response is on its way
		t.Fatal(err)
	}
	stop()
	if err := c.Context().Err(); err != nil {
		t.Errorf("the server waited until the client gave up: %v", err)
	}
}
