package integration

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/hansa-mcs/hansa/integration/envoy"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// envoyBootstrap is what an operator writes for an Envoy that asks an agent for all there is, and has one listener more
// for a port that is not taken for HTTP. Its words in capitals stand for what differs.
const envoyBootstrap = `
node:
  id: NODE
  cluster: tests
  locality: {region: REGION, zone: ZONE}
  metadata: {hansa-egress: "EGRESS"}
dynamic_resources:
  ads_config:
    api_type: API
    transport_api_version: V3
    grpc_services:
      - envoy_grpc:
          cluster_name: hansa
          retry_policy: {retry_back_off: {base_interval: 0.2s, max_interval: 2s}}
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  listeners:
    - name: bytes
      address: {socket_address: {address: 127.0.0.1, port_value: PORT}}
      filter_chains:
        - filters:
            - name: envoy.filters.network.tcp_proxy
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
                stat_prefix: bytes
                cluster: CLUSTER
  clusters:
    - name: hansa
      type: STATIC
      connect_timeout: 1s
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 5s, timeout: 5s}}}
      load_assignment:
        cluster_name: hansa
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: AGENT}}}
`

// proxy is an Envoy beside the users of an xdsScene.
type proxy struct {
	*envoy.Proxy
	name string
	// egress is where it takes HTTP for all hosts, and bytes where it takes anything for webHost at webHTTPPort.
	egress, bytes string
}

// startEnvoys starts an Envoy for each variant of the protocol. They end with the test.
func startEnvoys(t *testing.T, binary, xds string) (all []*proxy) {
	t.Helper()
	for name, api := range map[string]string{"envoy-delta": "DELTA_GRPC", "envoy-sotw": "GRPC"} {
		p := &proxy{name: name, egress: freeAddress(t), bytes: freeAddress(t)}
		_, port, _ := strings.Cut(p.bytes, ":")
		_, agent, _ := strings.Cut(xds, ":")
		bootstrap := strings.NewReplacer("NODE", name, "REGION", userRegion, "ZONE", userZone, "EGRESS", p.egress, "API", api,
			"PORT", port, "CLUSTER", probe.ClusterName(webHost, webHTTPPort), "AGENT", agent).Replace(envoyBootstrap)
		var err error
		if p.Proxy, err = envoy.Start(t.Context(), envoy.Config{Binary: binary, Bootstrap: bootstrap}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the end of the log of %s:\n%s", p.name, p.Log(30))
			}
			if err := p.Stop(); err != nil {
				t.Error(err)
			}
		})
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *proxy) int { return cmp.Compare(a.name, b.name) })
	return all
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := lab.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// webUser asks for web by HTTP.
type webUser struct {
	client *http.Client
	// address is whom it connects to, and host what it says that it wants.
	address, host string
}

func newWebUser(t *testing.T, address, host string) webUser {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return webUser{&http.Client{Transport: transport}, address, host}
}

// call posts, because Go's client would ask twice for what it gets.
func (u webUser) call(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+u.address, nil)
	if err != nil {
		return "", err
	}
	request.Host = u.host
	response, err := u.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", response.Status, body)
	}
	return strings.TrimSpace(string(body)), err
}

// rpcUser calls web by gRPC.
type rpcUser struct{ client testpb.TestServiceClient }

func newRPCUser(t *testing.T, address, host string) rpcUser {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+address, grpc.WithAuthority(host), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return rpcUser{testpb.NewTestServiceClient(conn)}
}

func (u rpcUser) call(ctx context.Context) (string, error) {
	r, err := u.client.UnaryCall(ctx, &testpb.SimpleRequest{})
	return r.GetServerId(), err
}

// until asks the Envoy until it is as wanted, as nobody tells when it is, and fails with what it has of a cluster otherwise.
func (p *proxy) until(s *xdsScene, what, cluster string, wanted func(ctx context.Context) (bool, error)) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		ok, err := wanted(ctx)
		if ok {
			return
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			text, _ := p.ClustersText(s.t.Context(), cluster)
			s.t.Fatalf("%s: waiting until %s %s: %v\n%s", p.name, cluster, what, err, text)
		}
	}
}

// has waits until the Envoy has just these endpoints of a cluster, each "name priority".
func (p *proxy) has(s *xdsScene, cluster string, want ...string) {
	s.t.Helper()
	p.until(s, fmt.Sprintf("has %q", want), cluster, func(ctx context.Context) (bool, error) {
		clusters, err := p.Clusters(ctx)
		return slices.Equal(s.named(clusters[cluster]), want), err
	})
}

// lacks waits until the Envoy has no such cluster.
func (p *proxy) lacks(s *xdsScene, cluster string) {
	s.t.Helper()
	p.until(s, "is gone", cluster, func(ctx context.Context) (bool, error) {
		clusters, err := p.Clusters(ctx)
		return err == nil && clusters[cluster] == nil, err
	})
}

// balances waits until the Envoy chooses among the endpoints of a cluster by a policy.
func (p *proxy) balances(s *xdsScene, cluster, policy string) {
	s.t.Helper()
	p.until(s, "is balanced by "+policy, cluster, func(ctx context.Context) (bool, error) {
		policies, err := p.Policies(ctx)
		return policies[cluster] == policy, err
	})
}

// named are endpoints, each "name priority", by their priorities.
func (s *xdsScene) named(endpoints []envoy.Endpoint) (list []string) {
	slices.SortStableFunc(endpoints, func(a, b envoy.Endpoint) int { return cmp.Compare(a.Priority, b.Priority) })
	for _, e := range endpoints {
		list = append(list, fmt.Sprintf("%s %d", s.backendAt(e.Address), e.Priority))
	}
	return list
}

// backendAt names the backend that listens there for HTTP.
func (s *xdsScene) backendAt(address netip.AddrPort) string {
	for name, server := range maps.All(s.backends) {
		if server.HTTP == address {
			return name
		}
	}
	return address.String()
}

// told are the lines of /clusters that say where endpoints are and what became of requests.
var told = regexp.MustCompile(`::(rq_success|rq_error|health_flags|zone|sub_zone|priority)::`)

// prints logs what Envoy itself prints of the endpoints of web.
func (p *proxy) prints(s *xdsScene, when string) {
	s.t.Helper()
	text, err := p.ClustersText(s.t.Context(), probe.ClusterName(webHost, webHTTPPort))
	if err != nil {
		s.t.Fatal(err)
	}
	var b strings.Builder
	for line := range strings.Lines(text) {
		if told.MatchString(line) {
			b.WriteString(line)
		}
	}
	s.t.Logf("%s: /clusters %s:\n%s", p.name, when, &b)
}

// acceptedAll checks that neither any Envoy nor any agent says that something was refused.
func (s *xdsScene) acceptedAll(proxies []*proxy) {
	s.t.Helper()
	s.refused()
	for _, p := range proxies {
		if rejected, err := p.Rejected(s.t.Context()); err != nil || len(rejected) > 0 {
			s.t.Errorf("%s: refused %v, %v", p.name, rejected, err)
		}
	}
}
