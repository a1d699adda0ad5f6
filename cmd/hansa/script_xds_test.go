package main

import (
	"context"
	"slices"
	"strings"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/rogpeppe/go-internal/testscript"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// connectClient lets a client of xDS connect to the agent of a cluster until the script ends: an Envoy in zone east-a of
// region eu. It subscribes to all clusters and listeners, and to what it names besides; it refuses what follows refuses.
func connectClient(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("usage: client CLUSTER ID [NAME...] [refuses NAME...]")
	}
	agent, err := report.NewClient(ts.Getenv(strings.ToUpper(args[0])+"_AGENT"), nil)
	ts.Check(err)
	served, err := agent.XDSClients(context.Background(), "")
	ts.Check(err)
	conn, err := grpc.NewClient(served.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	ts.Check(err)
	ctx, cancel := context.WithCancel(context.Background())
	ts.Defer(func() { _ = conn.Close() })
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx, grpc.WaitForReady(true))
	ts.Check(err)
	c := &xdsClient{stream: stream, refuses: map[string]bool{}}
	names := args[2:]
	if i := slices.Index(names, "refuses"); i >= 0 {
		for _, name := range names[i+1:] {
			c.refuses[name] = true
		}
		names = slices.Delete(names, i, i+1)
	}
	for _, of := range []struct {
		typeURL string
		names   []string
	}{{xds.ClusterType, []string{"*"}}, {xds.EndpointType, names}, {xds.ListenerType, []string{"*"}}, {xds.RouteType, []string{xds.EgressName}}} {
		ts.Check(stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: nodeOf(args[1]), TypeUrl: of.typeURL, ResourceNamesSubscribe: of.names}))
	}
	var work sync.WaitGroup
	work.Go(c.run)
	ts.Defer(work.Wait)
	ts.Defer(cancel) // before that
}

func nodeOf(id string) *corev3.Node {
	return &corev3.Node{
		Id: id, Cluster: "edge", UserAgentName: "envoy", UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: "1.40.0"},
		Locality: &corev3.Locality{Region: "eu", Zone: "east-a"},
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{xds.EgressKey: structpb.NewStringValue("127.0.0.1:1")}},
	}
}

// xdsClient is a client of the incremental variant, which asks for nothing more.
type xdsClient struct {
	stream  discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	refuses map[string]bool
}

// run takes what comes, or refuses it, until the stream ends.
func (c *xdsClient) run() {
	for {
		answer, err := c.stream.Recv()
		if err != nil {
			return
		}
		reply := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: answer.GetTypeUrl(), ResponseNonce: answer.GetNonce()}
		if answer.GetTypeUrl() == xds.EndpointType && slices.ContainsFunc(answer.GetResources(), func(r *discoveryv3.Resource) bool { return c.refuses[r.GetName()] }) {
			reply.ErrorDetail = &statuspb.Status{Message: "locality weight of 0"}
		}
		if c.stream.Send(reply) != nil {
			return
		}
	}
}
