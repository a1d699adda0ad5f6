package xds

import (
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	previousv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/host/previous_hosts/v3"
	prioritiesv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/retry/priority/previous_priorities/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// again retries what surely reached no application: the connection was not made, or went before the request was on it,
// or the server refused the stream. So it is safe for every method, and it is what makes an endpoint that goes cost no
// request. Each try is elsewhere, where there is an elsewhere; the last one is among those that come next by priority, as
// endpoints die together, and Envoy takes a second to see that all of a priority are ejected.
var again = &routev3.RetryPolicy{
	RetryOn:    "connect-failure,refused-stream,reset-before-request",
	NumRetries: wrapperspb.UInt32(2),
	RetryHostPredicate: []*routev3.RetryPolicy_RetryHostPredicate{{
		Name: "envoy.retry_host_predicates.previous_hosts",
		ConfigType: &routev3.RetryPolicy_RetryHostPredicate_TypedConfig{
			TypedConfig: wrap(&previousv3.PreviousHostsPredicate{}),
		},
	}},
	HostSelectionRetryMaxAttempts: 5,
	RetryPriority: &routev3.RetryPolicy_RetryPriority{
		Name: "envoy.retry_priorities.previous_priorities",
		ConfigType: &routev3.RetryPolicy_RetryPriority_TypedConfig{
			TypedConfig: wrap(&prioritiesv3.PreviousPrioritiesConfig{UpdateFrequency: 2}),
		},
	},
}

// bySource keeps the requests of one client address together.
var bySource = []*routev3.RouteAction_HashPolicy{{
	PolicySpecifier: &routev3.RouteAction_HashPolicy_ConnectionProperties_{
		ConnectionProperties: &routev3.RouteAction_HashPolicy_ConnectionProperties{SourceIp: true},
	},
}}

// virtualHost is all that Envoy's route to one port says.
type virtualHost struct {
	name    string // host:port
	bare    string // the host alone, where requests without a port go to this one; "" where not
	cluster string
	sticky  bool // a client address stays with one endpoint
}

// message returns the virtual host. There is no time by which a request must end: Envoy's 15 seconds would cut streams.
func (h virtualHost) message() *routev3.VirtualHost {
	domains := []string{h.name}
	if h.bare != "" {
		domains = append(domains, h.bare)
	}
	everything := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	to := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: h.cluster},
		Timeout:          durationpb.New(time.Duration(0)),
		RetryPolicy:      again,
	}
	if h.sticky {
		to.HashPolicy = bySource
	}
	return &routev3.VirtualHost{
		Name:    h.name,
		Domains: domains,
		Routes:  []*routev3.Route{{Match: everything, Action: &routev3.Route_Route{Route: to}}},
	}
}
