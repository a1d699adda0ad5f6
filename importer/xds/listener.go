package xds

import (
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// router is the terminal filter without which gRPC refuses a listener (gRFC A39).
var router = &hcmv3.HttpFilter{
	Name:       "envoy.filters.http.router",
	ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: wrap(&routerv3.Router{})},
}

// newListener returns what a gRPC client that dials xds:///name asks for (gRFC A27). The routes are
// inline, which saves the client a resource and a round trip.
func newListener(name, cluster string) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:        name,
		ApiListener: &listenerv3.ApiListener{ApiListener: newConnectionManager(name, cluster)},
	}
}

func newConnectionManager(name, cluster string) *anypb.Any {
	return wrap(&hcmv3.HttpConnectionManager{
		StatPrefix:     name,
		RouteSpecifier: &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: newRoutes(name, cluster)},
		HttpFilters:    []*hcmv3.HttpFilter{router},
	})
}

// newRoutes sends everything to one cluster.
func newRoutes(name, cluster string) *routev3.RouteConfiguration {
	everything := &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: ""}}
	to := &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: cluster}}
	return &routev3.RouteConfiguration{
		Name: name,
		VirtualHosts: []*routev3.VirtualHost{{
			Name:    name,
			Domains: []string{"*"},
			Routes:  []*routev3.Route{{Match: everything, Action: &routev3.Route_Route{Route: to}}},
		}},
	}
}
