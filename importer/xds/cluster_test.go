package xds

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// says checks a message against its text, and that no client would refuse it.
func says(t *testing.T, got proto.Message, text string) {
	t.Helper()
	want := got.ProtoReflect().New().Interface()
	if err := prototext.Unmarshal([]byte(text), want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got:\n%s\nwant:\n%s", prototext.Format(got), prototext.Format(want))
	}
	if err := validate(got); err != nil {
		t.Error(err)
	}
}

func TestWhatAClusterSays(t *testing.T) {
	const (
		all = `
			name: "outbound|80||web"
			type: EDS
			eds_cluster_config { service_name: "outbound|80||web" eds_config { ads {} resource_api_version: V3 } }
			connect_timeout { seconds: 5 }
			circuit_breakers { thresholds {
				max_connections { value: 4294967295 } max_pending_requests { value: 4294967295 }
				max_requests { value: 4294967295 } max_retries { value: 4294967295 }
			} }`
		sticky = ` lb_policy: RING_HASH`
		envoy  = `
			common_lb_config { locality_weighted_lb_config {} }
			upstream_connection_options { tcp_keepalive {
				keepalive_time { value: 60 } keepalive_interval { value: 10 } keepalive_probes { value: 3 }
			} }
			outlier_detection {
				split_external_local_origin_errors: true consecutive_local_origin_failure { value: 3 }
				enforcing_consecutive_5xx {} enforcing_success_rate {} enforcing_local_origin_success_rate {}
				max_ejection_percent { value: 100 } base_ejection_time { seconds: 10 }
			}`
		http2 = `
			typed_extension_protocol_options {
				key: "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
				value { [type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions] {
					explicit_http_config { http2_protocol_options {} }
				} }
			}`
	)
	tests := map[string]struct {
		spec clusterSpec
		kind ClientKind
		want string
	}{
		"to gRPC":                           {clusterSpec{}, GRPC, all},
		"to Envoy":                          {clusterSpec{}, Envoy, all + envoy},
		"to others":                         {clusterSpec{}, Other, all},
		"HTTP/2, which gRPC need not know":  {clusterSpec{http2: true}, GRPC, all},
		"HTTP/2, which Envoy must know":     {clusterSpec{http2: true}, Envoy, all + envoy + http2},
		"sticky, to gRPC":                   {clusterSpec{sticky: true}, GRPC, all + sticky},
		"sticky, to Envoy":                  {clusterSpec{sticky: true, http2: true}, Envoy, all + sticky + envoy + http2},
		"sticky, to who may know no ring":   {clusterSpec{sticky: true}, Other, all},
		"all of it, to who may know little": {clusterSpec{sticky: true, http2: true}, Other, all},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.spec.name = "outbound|80||web"
			says(t, tt.spec.message(tt.kind), tt.want)
		})
	}
}
