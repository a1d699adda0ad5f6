package xds

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// refuses breaks a good message in one place after another; the error must name each.
func refuses[M proto.Message](t *testing.T, good func() M, breaks map[string]func(m M)) {
	t.Helper()
	if err := judge(good()); err != nil {
		t.Fatalf("before it is broken: %v", err)
	}
	for field, spoil := range breaks {
		m := proto.CloneOf(good())
		spoil(m)
		field, _, _ = strings.Cut(field, " ") // what follows tells cases of one field apart
		if err := judge(m); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s is broken, yet the error is %v", field, err)
		}
	}
}

func TestClustersThatClientsRefuse(t *testing.T) {
	good := func() *clusterv3.Cluster {
		return clusterSpec{name: "outbound|80||web", http2: true, sticky: true}.message(Envoy)
	}
	refuses(t, good, map[string]func(*clusterv3.Cluster){
		"Name":               func(c *clusterv3.Cluster) { c.Name = "" },
		"name: is not UTF-8": func(c *clusterv3.Cluster) { c.Name = "\xff" },
		"ConnectTimeout":     func(c *clusterv3.Cluster) { c.ConnectTimeout.Seconds = -1 },
		"type:":              func(c *clusterv3.Cluster) { c.ClusterDiscoveryType = nil },
		"eds_config:":        func(c *clusterv3.Cluster) { c.EdsClusterConfig = nil },
		"eds_config version": func(c *clusterv3.Cluster) {
			c.EdsClusterConfig.EdsConfig.ResourceApiVersion = corev3.ApiVersion_AUTO
		},
		"service_name":          func(c *clusterv3.Cluster) { c.Name, c.EdsClusterConfig.ServiceName = "xdstp://a/b", "" },
		"lb_policy:":            func(c *clusterv3.Cluster) { c.LbPolicy = clusterv3.Cluster_MAGLEV },
		"load_balancing_policy": func(c *clusterv3.Cluster) { c.LoadBalancingPolicy = &clusterv3.LoadBalancingPolicy{} },
		"transport_socket_matches": func(c *clusterv3.Cluster) {
			c.TransportSocketMatches = []*clusterv3.Cluster_TransportSocketMatch{{Name: "tls"}}
		},
		"hash_function": func(c *clusterv3.Cluster) {
			c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
				HashFunction: clusterv3.Cluster_RingHashLbConfig_MURMUR_HASH_2,
			}}
		},
		"minimum_ring_size": func(c *clusterv3.Cluster) {
			c.LbConfig = &clusterv3.Cluster_RingHashLbConfig_{RingHashLbConfig: &clusterv3.Cluster_RingHashLbConfig{
				MinimumRingSize: wrapperspb.UInt64(9), MaximumRingSize: wrapperspb.UInt64(8),
			}}
		},
		"lrs_server:": func(c *clusterv3.Cluster) { c.LrsServer = overStream },
		"typed_extension_protocol_options[" + httpOptions + "]": func(c *clusterv3.Cluster) {
			c.TypedExtensionProtocolOptions[httpOptions].Value = []byte{0xff}
		},
		"typed_extension_protocol_options[other]": func(c *clusterv3.Cluster) {
			c.TypedExtensionProtocolOptions["other"] = c.TypedExtensionProtocolOptions[httpOptions]
		},
	})
}

// twoPlaces is a good assignment: two localities of a priority and one of the next, each with an endpoint.
func twoPlaces() *endpointv3.ClusterLoadAssignment {
	a := &endpointv3.ClusterLoadAssignment{}
	text := `cluster_name: "outbound|80||web"`
	for _, l := range []string{"z1 0 10.0.0.1", "z2 0 10.0.0.2", "z1 1 fd00::1"} {
		w := strings.Fields(l)
		text += ` endpoints { locality { region: "r" zone: "` + w[0] + `" } priority: ` + w[1] + ` load_balancing_weight { value: 1 }
			lb_endpoints { endpoint { address { socket_address { address: "` + w[2] + `" port_value: 80 } } } } }`
	}
	if err := prototext.Unmarshal([]byte(text), a); err != nil {
		panic(err)
	}
	return a
}

func TestAssignmentsThatClientsRefuse(t *testing.T) {
	type assignment = endpointv3.ClusterLoadAssignment
	socket := func(a *assignment, i int) *corev3.SocketAddress {
		return a.GetEndpoints()[i].GetLbEndpoints()[0].GetEndpoint().GetAddress().GetSocketAddress()
	}
	port := func(n uint32) *corev3.SocketAddress_PortValue { return &corev3.SocketAddress_PortValue{PortValue: n} }
	refuses(t, twoPlaces, map[string]func(*assignment){
		"ClusterName":                              func(a *assignment) { a.ClusterName = "" },
		"cluster_name":                             func(a *assignment) { a.ClusterName = "\xff" },
		"endpoints[1].locality":                    func(a *assignment) { a.Endpoints[1].Locality = nil },
		"endpoints[1].locality twice":              func(a *assignment) { a.Endpoints[1].Locality.Zone = "z1" },
		"endpoints[0].locality UTF-8":              func(a *assignment) { a.Endpoints[0].Locality.Zone = "\xff" },
		"endpoints[2].load_balancing_weight unset": func(a *assignment) { a.Endpoints[2].LoadBalancingWeight = nil },
		"endpoints[1].load_balancing_weight sum":   func(a *assignment) { a.Endpoints[0].LoadBalancingWeight.Value = math.MaxUint32 },
		"Priority":                                 func(a *assignment) { a.Endpoints[2].Priority = 129 },
		"endpoints.priority: 1":                    func(a *assignment) { a.Endpoints[2].Priority = 2 },
		"endpoints.priority: 0": func(a *assignment) {
			a.Endpoints[0].Priority, a.Endpoints[1].Priority, a.Endpoints[2].Locality.Zone = 1, 1, "z3"
		},
		"endpoints[2].lb_endpoints[0].endpoint.address twice": func(a *assignment) { socket(a, 2).Address = "10.0.0.1" },
		"endpoints[2].lb_endpoints[0].endpoint.address IPv6":  func(a *assignment) { socket(a, 2).Address = "::ffff:10.0.0.1" },
		"endpoints[0].lb_endpoints[0].endpoint.address name":  func(a *assignment) { socket(a, 0).Address = "example.org" },
		"endpoints[0].lb_endpoints[0].endpoint.address zone":  func(a *assignment) { socket(a, 0).Address = "fe80::1%eth0" },
		"endpoints[0].lb_endpoints[0].endpoint.address port":  func(a *assignment) { socket(a, 0).PortSpecifier = port(0) },
		"PortValue":           func(a *assignment) { socket(a, 0).PortSpecifier = port(65536) },
		"LoadBalancingWeight": func(a *assignment) { a.Endpoints[0].LbEndpoints[0].LoadBalancingWeight = wrapperspb.UInt32(0) },
		"lb_endpoints[1].load_balancing": func(a *assignment) {
			l := a.Endpoints[0]
			l.LbEndpoints = append(l.LbEndpoints, proto.CloneOf(l.LbEndpoints[0]))
			socket(a, 0).Address = "10.0.0.3"
			l.LbEndpoints[0].LoadBalancingWeight = wrapperspb.UInt32(math.MaxUint32)
		},
	})
	if err := judge(&assignment{ClusterName: "outbound|80||web"}); err != nil {
		t.Errorf("of one without endpoints: %v", err)
	}
}

// managed returns l with its HttpConnectionManager changed.
func managed(l *listenerv3.Listener, change func(*hcmv3.HttpConnectionManager)) {
	a := l.GetApiListener().GetApiListener()
	if a == nil {
		a = l.GetFilterChains()[0].GetFilters()[0].GetTypedConfig()
	}
	var m hcmv3.HttpConnectionManager
	if err := a.UnmarshalTo(&m); err != nil {
		panic(err)
	}
	change(&m)
	a.Value = wrap(&m).Value
}

func TestListenersForGRPCThatItRefuses(t *testing.T) {
	type listener = listenerv3.Listener
	type manager = hcmv3.HttpConnectionManager
	good := func() *listener {
		return apiListener{name: "web:80", cluster: "outbound|80||web", sticky: true}.message()
	}
	refuses(t, good, map[string]func(*listener){
		"name:":                     func(l *listener) { l.Name = "" },
		"api_listener":              func(l *listener) { l.ApiListener.ApiListener = router.GetTypedConfig() },
		"api_listener.api_listener": func(l *listener) { l.ApiListener.ApiListener = &anypb.Any{TypeUrl: "type.googleapis.com/none"} },
		"StatPrefix":                func(l *listener) { managed(l, func(m *manager) { m.StatPrefix = "" }) },
		"xff_num_trusted_hops":      func(l *listener) { managed(l, func(m *manager) { m.XffNumTrustedHops = 1 }) },
		"original_ip_detection_extensions": func(l *listener) {
			managed(l, func(m *manager) {
				m.OriginalIpDetectionExtensions = []*corev3.TypedExtensionConfig{{Name: "x", TypedConfig: wrap(&routev3.Route{})}}
			})
		},
		"RouteSpecifier":     func(l *listener) { managed(l, func(m *manager) { m.RouteSpecifier = nil }) },
		"http_filters: none": func(l *listener) { managed(l, func(m *manager) { m.HttpFilters = nil }) },
		"http_filters: two": func(l *listener) {
			managed(l, func(m *manager) { m.HttpFilters = append(m.HttpFilters, m.HttpFilters...) })
		},
		"Name":                  func(l *listener) { managed(l, func(m *manager) { m.HttpFilters[0].Name = "" }) },
		"http_filters[0].typed": func(l *listener) { managed(l, func(m *manager) { m.HttpFilters[0].ConfigType = nil }) },
		"http_filters[0].typed_config": func(l *listener) {
			managed(l, func(m *manager) {
				m.HttpFilters[0].ConfigType = &hcmv3.HttpFilter_TypedConfig{TypedConfig: again.RetryHostPredicate[0].GetTypedConfig()}
			})
		},
		"route_config.name": func(l *listener) { managed(l, func(m *manager) { m.GetRouteConfig().Name = "" }) },
		"route_config.virtual_hosts[0].routes[0].match": func(l *listener) {
			managed(l, func(m *manager) {
				m.GetRouteConfig().VirtualHosts[0].Routes[0].Match.PathSpecifier = &routev3.RouteMatch_ConnectMatcher_{}
			})
		},
	})
}

func TestListenersForHTTPThatEnvoyRefuses(t *testing.T) {
	type listener = listenerv3.Listener
	type manager = hcmv3.HttpConnectionManager
	good := func() *listener { return egressListener{netip.MustParseAddrPort("127.0.0.1:80")}.message() }
	refuses(t, good, map[string]func(*listener){
		"address:":                 func(l *listener) { l.Address = nil },
		"filter_chains:":           func(l *listener) { l.FilterChains = nil },
		"filter_chains[0].filters": func(l *listener) { l.FilterChains[0].Filters = nil },
		"rds.config_source": func(l *listener) {
			managed(l, func(m *manager) {
				m.GetRds().ConfigSource.ConfigSourceSpecifier = &corev3.ConfigSource_PathConfigSource{PathConfigSource: &corev3.PathConfigSource{Path: "x"}}
			})
		},
		"rds.config_source version": func(l *listener) {
			managed(l, func(m *manager) { m.GetRds().ConfigSource.ResourceApiVersion = corev3.ApiVersion_AUTO })
		},
		"route_specifier": func(l *listener) {
			managed(l, func(m *manager) {
				m.RouteSpecifier = &hcmv3.HttpConnectionManager_ScopedRoutes{ScopedRoutes: &hcmv3.ScopedRoutes{
					Name: "x",
					ScopeKeyBuilder: &hcmv3.ScopedRoutes_ScopeKeyBuilder{Fragments: []*hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder{{
						Type: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor_{
							HeaderValueExtractor: &hcmv3.ScopedRoutes_ScopeKeyBuilder_FragmentBuilder_HeaderValueExtractor{Name: "x"},
						},
					}}},
					ConfigSpecifier: &hcmv3.ScopedRoutes_ScopedRds{ScopedRds: &hcmv3.ScopedRds{ScopedRdsConfigSource: overStream}},
				}}
			})
		},
		"rds.route_config_name": func(l *listener) { managed(l, func(m *manager) { m.GetRds().RouteConfigName = "" }) },
	})
}

func TestRoutesThatEnvoyRefuses(t *testing.T) {
	type routes = routev3.RouteConfiguration
	good := func() *routes {
		c := &routes{Name: EgressName}
		for spec := range portSpecs(ported(t, "80", "81/grpc"), "example.org") {
			c.VirtualHosts = append(c.VirtualHosts, spec.virtual.message())
		}
		return c
	}
	route := func(c *routes) *routev3.RouteAction { return c.GetVirtualHosts()[1].GetRoutes()[0].GetRoute() }
	const first = "web.shop.svc.example.org:80"
	refuses(t, good, map[string]func(*routes){
		"name:":                    func(c *routes) { c.Name = "" },
		"virtual_hosts[1].name":    func(c *routes) { c.VirtualHosts[1].Name = first },
		"virtual_hosts[1].domains": func(c *routes) { c.VirtualHosts[1].Domains = []string{strings.ToUpper(first)} },
		"virtual_hosts[0].domains": func(c *routes) { c.VirtualHosts[0].Domains = []string{"a", "b", "A"} },
		"Domains":                  func(c *routes) { c.VirtualHosts[1].Domains = nil },
		"Match":                    func(c *routes) { c.VirtualHosts[1].Routes[0].Match = nil },
		"routes[0].match.query_parameters": func(c *routes) {
			c.VirtualHosts[1].Routes[0].Match.QueryParameters = []*routev3.QueryParameterMatcher{{Name: "q"}}
		},
		"Action":                             func(c *routes) { c.VirtualHosts[1].Routes[0].Action = nil },
		"routes[0].route":                    func(c *routes) { c.VirtualHosts[1].Routes[0].Action = &routev3.Route_NonForwardingAction{} },
		"Cluster":                            func(c *routes) { route(c).ClusterSpecifier = &routev3.RouteAction_Cluster{} },
		"routes[0].route.cluster":            func(c *routes) { route(c).ClusterSpecifier = &routev3.RouteAction_ClusterHeader{ClusterHeader: "x"} },
		"route.retry_policy.num_retries":     func(c *routes) { route(c).RetryPolicy.NumRetries.Value = 0 },
		"route.retry_policy.retry_host_pred": func(c *routes) { route(c).RetryPolicy.RetryHostPredicate[0].GetTypedConfig().TypeUrl = "none" },
	})
}
