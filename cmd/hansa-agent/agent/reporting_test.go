package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
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
	server := httptest.NewServer(report.Handler(m.scenery, report.Local))
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

// oneConfigMap is an API server that has one ConfigMap.
type oneConfigMap struct {
	corev1client.ConfigMapInterface
	data map[string]string
}

func (o *oneConfigMap) Get(context.Context, string, metav1.GetOptions) (*corev1.ConfigMap, error) {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: state.DefaultName}, Data: o.data}, nil
}

// Of what hansa-state says it is told where clusters are now, and when they were heard before the start.
func TestWhatIsRememberedIsTold(t *testing.T) {
	said := &oneConfigMap{data: map[string]string{
		"cluster.west":  `{"addresses":["west:8443"],"heard":"2026-01-02T12:00:00Z"}`,
		"cluster.north": `{"heard":"2026-01-02T11:00:00Z"}`,
	}}
	log := slog.New(slog.DiscardHandler)
	m := &member{log: log, store: federation.NewStore("east"), departure: &departure{}}
	m.keeper = state.New(state.Config{ConfigMaps: said, Name: state.DefaultName, Self: "east", Log: log})
	if got := m.remembered(); len(got) != 0 {
		t.Errorf("before anything was read: %v", got)
	}
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for _, step := range []struct {
		about, west string
		want        map[federation.ClusterID]report.Remembered
	}{
		{"at the start", `{"addresses":["west:8443"],"heard":"2026-01-02T12:00:00Z"}`, map[federation.ClusterID]report.Remembered{
			"west": {Address: "west:8443", Heard: noon}, "north": {Heard: noon.Add(-time.Hour)},
		}},
		{"once west moved", `{"addresses":["west:9443"],"heard":"2026-01-02T18:00:00Z"}`, map[federation.ClusterID]report.Remembered{
			"west": {Address: "west:9443", Heard: noon}, "north": {Heard: noon.Add(-time.Hour)},
		}},
	} {
		said.data["cluster.west"] = step.west
		if _, err := m.recall(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := m.remembered(); !maps.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.about, got, step.want)
		}
	}
}

// noSecret is an API server that gives no Secret.
type noSecret struct {
	corev1client.SecretInterface
	err error
}

func (s *noSecret) Get(context.Context, string, metav1.GetOptions) (*corev1.Secret, error) {
	return nil, s.err
}

// Why a certificate is not renewed, or is not the one in its files, is told until that is over.
func TestWhyACertificateIsNotRenewedIsTold(t *testing.T) {
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
	fault := func(about, want string) {
		t.Helper()
		if got := m.itself().Certificate.Fault; !strings.HasPrefix(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", about, got, want)
		}
	}
	fault("at first", "")
	server := &noSecret{err: errors.New("the weather")}
	m.secrets = secrets.New(server)
	if m.renewOnce(t.Context(), 0); m.renewal.fault() == "" {
		t.Error("nothing is wrong")
	}
	fault("while the API server fails", m.renewal.fault())
	if !strings.Contains(m.renewal.fault(), "the weather") {
		t.Errorf("%q", m.renewal.fault())
	}
	server.err = apierrors.NewNotFound(corev1.Resource("secrets"), secrets.IdentityName)
	m.renewOnce(t.Context(), 0)
	fault("of another making", "")

	ctx, cancel := context.WithCancel(t.Context())
	done, lines := make(chan error), make(told, 10)
	if err := os.WriteFile(o.CertFile, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() { done <- m.identity.Watch(ctx, slog.New(slog.NewTextHandler(lines, nil))) }()
	lines.awaits(t, "stays in use")
	fault("while a file is broken", "what its files hold now is not used: "+o.CertFile)
	if err := (trust.Files{Cert: o.CertFile, Key: o.KeyFile, CA: o.CAFile}).Write(newMemberOf(t, o)); err != nil {
		t.Fatal(err)
	}
	lines.awaits(t, "have changed and are in use")
	fault("once it is whole", "")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// newMemberOf returns what another CA gives a cluster.
func newMemberOf(t *testing.T, o Options) trust.Credentials {
	t.Helper()
	c, err := newCA(t).NewMember(federation.ClusterID(o.Cluster), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return c
}
