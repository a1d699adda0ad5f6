package xds

import (
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// connectTimeout leaves room for a handshake across continents that loses a packet.
const connectTimeout = 5 * time.Second

// httpOptions is where Envoy looks for how it speaks HTTP to a cluster.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// Parts that are the same in many messages. Nobody changes them.
var (
	overStream = &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}

	// unlimited is no limit at all: both Envoy and gRPC fail what exceeds 1,024 requests at a time unless they are told
	// otherwise, and Envoy all but three retries. How much a service bears is not for us to guess.
	unlimited = &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxConnections:     wrapperspb.UInt32(math.MaxUint32),
		MaxPendingRequests: wrapperspb.UInt32(math.MaxUint32),
		MaxRequests:        wrapperspb.UInt32(math.MaxUint32),
		MaxRetries:         wrapperspb.UInt32(math.MaxUint32),
	}}}

	// byWeight makes the weights of localities count: each endpoint of a priority gets the same share.
	byWeight = &clusterv3.Cluster_CommonLbConfig{
		LocalityConfigSpecifier: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig_{
			LocalityWeightedLbConfig: &clusterv3.Cluster_CommonLbConfig_LocalityWeightedLbConfig{},
		},
	}

	// kept finds out within 90 seconds that the peer of a silent connection is gone: between clusters there are firewalls
	// that forget connections, and a node that dies closes none.
	kept = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: &corev3.TcpKeepalive{
		KeepaliveTime:     wrapperspb.UInt32(60),
		KeepaliveInterval: wrapperspb.UInt32(10),
		KeepaliveProbes:   wrapperspb.UInt32(3),
	}}

	// ejected are endpoints to which three connections in a row could not be made: a cluster that dies takes none of its
	// endpoints out of the assignment until it is demoted. What an endpoint answers does not bear on it. When all are
	// ejected and there is no further priority, Envoy tries them all the same.
	ejected = &clusterv3.OutlierDetection{
		SplitExternalLocalOriginErrors:  true,
		ConsecutiveLocalOriginFailure:   wrapperspb.UInt32(3),
		EnforcingConsecutive_5Xx:        wrapperspb.UInt32(0),
		EnforcingSuccessRate:            wrapperspb.UInt32(0),
		EnforcingLocalOriginSuccessRate: wrapperspb.UInt32(0),
		MaxEjectionPercent:              wrapperspb.UInt32(100),
		BaseEjectionTime:                durationpb.New(10 * time.Second),
	}

	// priorKnowledge is HTTP/2 without asking: there is no TLS in which to agree on it.
	priorKnowledge = map[string]*anypb.Any{httpOptions: wrap(&httpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
			ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
				ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
					Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
				},
			},
		},
	})}
)

// clusterSpec is all that a cluster says.
type clusterSpec struct {
	name   string
	http2  bool // its endpoints speak HTTP/2 in the clear, and maybe nothing else
	sticky bool // a client stays with one endpoint
}

// message returns a cluster whose endpoints come over the same stream, the only source besides "self" that gRPC takes.
// One policy that a client does not know makes it refuse the whole response, so who is of neither known kind gets the one
// that all know, sticky or not. The ring has the default size: at least 1,024 points, one per endpoint beyond that.
func (c clusterSpec) message(kind ClientKind) *clusterv3.Cluster {
	m := &clusterv3.Cluster{
		Name:                 c.name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{ServiceName: c.name, EdsConfig: overStream},
		LbPolicy:             clusterv3.Cluster_ROUND_ROBIN,
		ConnectTimeout:       durationpb.New(connectTimeout),
		CircuitBreakers:      unlimited,
	}
	if c.sticky && kind != Other {
		m.LbPolicy = clusterv3.Cluster_RING_HASH
	}
	if kind != Envoy {
		return m
	}
	m.CommonLbConfig, m.UpstreamConnectionOptions, m.OutlierDetection = byWeight, kept, ejected
	if c.http2 {
		m.TypedExtensionProtocolOptions = priorKnowledge
	}
	return m
}
