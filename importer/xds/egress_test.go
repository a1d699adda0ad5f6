package xds

import (
	"net/netip"
	"strings"
	"testing"
)

func TestWhatTheListenerForHTTPSays(t *testing.T) {
	const v4 = `address: "127.0.0.1" port_value: 15001`
	const text = `
		name: "hansa-egress"
		address { socket_address { ` + v4 + ` } }
		traffic_direction: OUTBOUND
		filter_chains { filters {
			name: "envoy.filters.network.http_connection_manager"
			typed_config {
				[type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager] {
					stat_prefix: "hansa-egress"
					rds { config_source { ads {} resource_api_version: V3 } route_config_name: "hansa-egress" }
					http_filters {
						name: "envoy.filters.http.router"
						typed_config { [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} }
					}
					upgrade_configs { upgrade_type: "websocket" }
					stream_idle_timeout { seconds: 3600 }
					server_header_transformation: PASS_THROUGH
					strip_trailing_host_dot: true
				}
			}
		} }`
	tests := map[string]string{
		"127.0.0.1:15001":    v4,
		"0.0.0.0:80":         `address: "0.0.0.0" port_value: 80`,
		"[fd00::1]:80":       `address: "fd00::1" port_value: 80`,
		"[::]:80":            `address: "::" port_value: 80 ipv4_compat: true`,
		"[::ffff:1.2.3.4]:1": `address: "::ffff:1.2.3.4" port_value: 1`,
	}
	for address, socket := range tests {
		t.Run(address, func(t *testing.T) {
			says(t, egressListener{netip.MustParseAddrPort(address)}.message(), strings.Replace(text, v4, socket, 1))
		})
	}
}

func TestNoListenerForHTTPWithoutAPlace(t *testing.T) {
	for _, at := range []netip.AddrPort{{}, netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("[fe80::1%eth0]:80")} {
		if err := validate(egressListener{at}.message()); err == nil || !strings.Contains(err.Error(), "address") {
			t.Errorf("at %v: %v", at, err)
		}
	}
}
