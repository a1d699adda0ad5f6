package xds

import (
	"strings"
	"testing"
)

func TestWhatAListenerForGRPCSays(t *testing.T) {
	const plain = `
		name: "web:80"
		api_listener { api_listener {
			[type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager] {
				stat_prefix: "web:80"
				route_config {
					name: "web:80"
					virtual_hosts {
						name: "web:80"
						domains: "*"
						routes { match { prefix: "" } route { cluster: "outbound|80||web" } }
					}
				}
				http_filters {
					name: "envoy.filters.http.router"
					typed_config { [type.googleapis.com/envoy.extensions.filters.http.router.v3.Router] {} }
				}
			}
		} }`
	l := apiListener{name: "web:80", cluster: "outbound|80||web"}
	says(t, l.message(), plain)
	l.sticky = true
	says(t, l.message(), strings.Replace(plain, `cluster: "outbound|80||web"`, `cluster: "outbound|80||web"
		hash_policy { filter_state { key: "io.grpc.channel_id" } }`, 1))
}
