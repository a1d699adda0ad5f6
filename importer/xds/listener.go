package xds

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// router is the terminal filter without which gRPC refuses a listener (gRFC A39).
var router = &hcmv3.HttpFilter{
	Name:       "envoy.filters.http.router",
	ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: wrap(&routerv3.Router{})},
}

// byChannel keeps all calls of one gRPC channel together: as close as a client comes to its address (gRFC A42).
var byChannel = []*routev3.RouteAction_HashPolicy{{
	PolicySpecifier: &routev3.RouteAction_HashPolicy_FilterState_{
		FilterState: &routev3.RouteAction_HashPolicy_FilterState{Key: "io.grpc.channel_id"},
	},
}}

// apiListener is all that a listener for gRPC says.
type apiListener struct {
	name    string // what is dialled
	cluster string // where everything goes
	sticky  bool   // a channel stays with one endpoint
}

// message returns what a gRPC client that dials xds:///name asks for (gRFC A27). The routes are inline, which saves the
// client a resource and a round trip.
func (l apiListener) message() *listenerv3.Listener {
	manager := wrap(&hcmv3.HttpConnectionManager{
		StatPrefix:     l.name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: l.routes()},
		HttpFilters:    []*hcmv3.HttpFilter{router},
	})
	return &listenerv3.Listener{Name: l.name, ApiListener: &listenerv3.ApiListener{ApiListener: manager}}
}

// routes sends everything to one cluster.
func (l apiListener) routes() *routev3.RouteConfiguration {
	everything := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}}
	to := &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: l.cluster}}
	if l.sticky {
		to.HashPolicy = byChannel
	}
	return &routev3.RouteConfiguration{
		Name: l.name,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    l.name,
			Domains: []string{"*"},
			Routes:  []*routev3.Route{{Match: everything, Action: &routev3.Route_Route{Route: to}}},
		}},
	}
}
