package agent

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
)

// An agent that has not reached anybody, its own API server included, says so, and what it is.
func TestAnAgentSaysWhatItIsFromTheStart(t *testing.T) {
	o, _ := valid(t)
	m, err := newMember(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.unbind(t.Context()); err != nil {
			t.Error(err)
		}
		m.http.listener.Close()
	}()
	server := httptest.NewServer(report.Handler(m.scenery, nil))
	defer server.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := report.NewClient(server.URL, transport)
	if err != nil {
		t.Fatal(err)
	}
	status, err := client.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"this agent is not ready: the objects of this cluster have not been read yet"}
	if status.Cluster != federation.ClusterID(o.Cluster) || status.Clusterset != o.Clusterset || status.Verdict != report.Failed || !slices.Equal(status.Problems, want) || len(status.Peers) != 0 {
		t.Errorf("%+v, want problems %q", status, want)
	}
	a := status.Agent
	if a.Name != m.name.Name || a.Build != build() || a.Leads || a.Suspended || a.Leader != nil || a.Certificate == nil || !a.Certificate.Until.After(time.Now()) {
		t.Errorf("agent %+v", a)
	}
	if deny := status.Policy.Import.Deny; !slices.Equal(deny, o.ImportDenyNamespaces) {
		t.Errorf("policy %+v, want %q denied", status.Policy, o.ImportDenyNamespaces)
	}
	x, err := client.Explain(t.Context(), federation.ServiceName{Namespace: "shop", Name: "web"})
	if err != nil || x.Verdict != report.Failed {
		t.Errorf("%+v: %v", x, err)
	}
}
