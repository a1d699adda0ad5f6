package xds

import (
	"strings"
	"testing"
)

func TestWhatAVirtualHostSays(t *testing.T) {
	const (
		domains = `domains: "web.shop:80"`
		cluster = `cluster: "outbound|80||web.shop"`
		text    = `
			name: "web.shop:80"
			` + domains + `
			routes {
				match { prefix: "/" }
				route {
					` + cluster + `
					timeout {}
					retry_policy {
						retry_on: "connect-failure,refused-stream,reset-before-request"
						num_retries { value: 2 }
						retry_host_predicate {
							name: "envoy.retry_host_predicates.previous_hosts"
							typed_config { [type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate] {} }
						}
						retry_priority {
							name: "envoy.retry_priorities.previous_priorities"
							typed_config { [type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig] {
								update_frequency: 2
							} }
						}
						host_selection_retry_max_attempts: 5
					}
				}
			}`
	)
	h := virtualHost{name: "web.shop:80", cluster: "outbound|80||web.shop"}
	says(t, h.message(), text)
	h.bare = "web.shop"
	bare := strings.Replace(text, domains, domains+` domains: "web.shop"`, 1)
	says(t, h.message(), bare)
	h.sticky = true
	says(t, h.message(), strings.Replace(bare, cluster, cluster+` hash_policy { connection_properties { source_ip: true } }`, 1))
}
