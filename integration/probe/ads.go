package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	resourcev3 "github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// ADS is a bare stream of aggregated discovery, of one type of resource.
type ADS struct {
	conn    *grpc.ClientConn
	stream  discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	typeURL string
	names   []string
}

// OpenADS subscribes at address to the named resources of a type; ending ctx ends the stream.
func OpenADS(ctx context.Context, address, typeURL string, names ...string) (*ADS, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, fmt.Errorf("dialing %s: %w", address, err)
	}
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).StreamAggregatedResources(ctx, grpc.WaitForReady(true))
	if err == nil {
		err = stream.Send(&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "probe"}, TypeUrl: typeURL, ResourceNames: names})
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("opening an ADS stream to %s: %w", address, err)
	}
	return &ADS{conn: conn, stream: stream, typeURL: typeURL, names: names}, nil
}

// Next waits for the next response and acknowledges it.
func (a *ADS) Next() (*discoveryv3.DiscoveryResponse, error) {
	r, err := a.stream.Recv()
	if err != nil {
		return nil, err
	}
	return r, a.stream.Send(&discoveryv3.DiscoveryRequest{
		TypeUrl: a.typeURL, ResourceNames: a.names, VersionInfo: r.GetVersionInfo(), ResponseNonce: r.GetNonce(),
	})
}

// Close ends the stream and its connection.
func (a *ADS) Close() error { return a.conn.Close() }

// ClusterName returns the name of the cluster, and of its assignment, for a port of a host.
func ClusterName(host string, port int) string { return fmt.Sprintf("outbound|%d||%s", port, host) }

// Listeners asks once whether the xDS server at address has a listener of that name.
func Listeners(ctx context.Context, address, name string) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := OpenADS(ctx, address, resourcev3.ListenerType, name)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	r, err := a.Next()
	return len(r.GetResources()), err
}

// OpenAssignment subscribes to the endpoints of a port of a host.
func OpenAssignment(ctx context.Context, address, host string, port int) (*ADS, error) {
	return OpenADS(ctx, address, resourcev3.EndpointType, ClusterName(host, port))
}

// NextAssignment waits for the next response of an assignment and returns its healthy addresses, sorted.
func (a *ADS) NextAssignment() ([]netip.AddrPort, error) {
	r, err := a.Next()
	if err != nil {
		return nil, err
	}
	var addresses []netip.AddrPort
	for _, resource := range r.GetResources() {
		var assignment endpointv3.ClusterLoadAssignment
		if err := resource.UnmarshalTo(&assignment); err != nil {
			return nil, fmt.Errorf("decoding an assignment: %w", err)
		}
		for _, locality := range assignment.GetEndpoints() {
			for _, ep := range locality.GetLbEndpoints() {
				address := ep.GetEndpoint().GetAddress().GetSocketAddress()
				if ip, err := netip.ParseAddr(address.GetAddress()); err == nil {
					addresses = append(addresses, netip.AddrPortFrom(ip, uint16(address.GetPortValue())))
				}
			}
		}
	}
	slices.SortFunc(addresses, netip.AddrPort.Compare)
	return addresses, nil
}
