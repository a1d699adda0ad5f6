package xds

import (
	"net/netip"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// EgressName is the name of Envoy's listener for HTTP to all hosts, and of its routes: a listener of the bootstrap may
// have the routes too.
const EgressName = "hansa-egress"

// quietFor is how long a stream may carry nothing. No request has a time to end by, as gRPC streams last; this is what
// ends those that both sides forgot.
const quietFor = time.Hour

// egressListener is all that the listener says.
type egressListener struct{ address netip.AddrPort }

// message returns the listener. It changes as little of what passes as it can: no header of the other side is put in its
// place, and nothing is added that says where a request came from.
func (l egressListener) message() *listenerv3.Listener {
	manager := wrap(&hcmv3.HttpConnectionManager{
		StatPrefix: EgressName,
		RouteSpecifier: &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{
			ConfigSource: overStream, RouteConfigName: EgressName,
		}},
		HttpFilters:                []*hcmv3.HttpFilter{router},
		UpgradeConfigs:             []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		StreamIdleTimeout:          durationpb.New(quietFor),
		ServerHeaderTransformation: hcmv3.HttpConnectionManager_PASS_THROUGH,
		StripTrailingHostDot:       true, // web.shop.svc.clusterset.local. is the same host
	})
	chain := &listenerv3.FilterChain{Filters: []*listenerv3.Filter{{
		Name:       "envoy.filters.network.http_connection_manager",
		ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
	}}}
	return &listenerv3.Listener{
		Name:             EgressName,
		Address:          &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: l.socket()}},
		FilterChains:     []*listenerv3.FilterChain{chain},
		TrafficDirection: corev3.TrafficDirection_OUTBOUND,
	}
}

// socket takes IPv4 too where the address is every address.
func (l egressListener) socket() *corev3.SocketAddress {
	return &corev3.SocketAddress{
		Address:       l.address.Addr().String(),
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(l.address.Port())},
		Ipv4Compat:    l.address.Addr() == netip.IPv6Unspecified(),
	}
}
