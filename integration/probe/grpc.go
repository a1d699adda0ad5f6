package probe

import (
	"context"
	"encoding/json"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/xds"
)

// Place is where a client is. Empty parts are not known.
type Place struct{ Region, Zone string }

// Bootstrap is the file by which every gRPC client, whatever it is written in, finds the xDS server at address.
func Bootstrap(address string, place Place) ([]byte, error) {
	node := map[string]any{"id": "probe"}
	if place != (Place{}) {
		node["locality"] = map[string]any{"region": place.Region, "zone": place.Zone}
	}
	return json.Marshal(map[string]any{
		"xds_servers": []any{map[string]any{
			"server_uri":    address,
			"channel_creds": []any{map[string]any{"type": "insecure"}},
		}},
		"node": node,
	})
}

// Caller is a proxyless gRPC client of one service of echo servers.
type Caller struct {
	conn   *grpc.ClientConn
	client testpb.TestServiceClient
}

// NewCaller dials target, such as xds:///web.shop.svc.clusterset.local:80, of which it learns by the xDS
// server at address.
func NewCaller(address, target string) (*Caller, error) {
	return NewCallerIn(Place{}, address, target)
}

// NewCallerIn is NewCaller for a client that says where it is.
func NewCallerIn(place Place, address, target string) (*Caller, error) {
	bootstrap, err := Bootstrap(address, place)
	if err != nil {
		return nil, err
	}
	resolver, err := xds.NewXDSResolverWithConfigForTesting(bootstrap)
	if err != nil {
		return nil, fmt.Errorf("making an xDS resolver for %s: %w", address, err)
	}
	conn, err := grpc.NewClient(target, grpc.WithResolvers(resolver), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", target, err)
	}
	return &Caller{conn: conn, client: testpb.NewTestServiceClient(conn)}, nil
}

// Call returns the name of the backend that answered. It waits for one until ctx ends.
func (c *Caller) Call(ctx context.Context) (string, error) {
	r, err := c.client.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.WaitForReady(true))
	return r.GetServerId(), err
}

// Try returns the name of the backend that answered, or an error at once when there is none.
func (c *Caller) Try(ctx context.Context) (string, error) {
	r, err := c.client.UnaryCall(ctx, &testpb.SimpleRequest{})
	return r.GetServerId(), err
}

// Close ends the client.
func (c *Caller) Close() error { return c.conn.Close() }
