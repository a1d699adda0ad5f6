package integration

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// I12: an agent whose cluster lacks the MCS API says so, and goes on when it appears.
func TestAnAgentWaitsForTheMCSAPI(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	set, err := clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east"}, InProcess: true, WithoutAPI: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s := &story{set, t}
	east := set.Member("east")
	awaitLog(t, east, "crd=serviceexports.multicluster.x-k8s.io")
	if _, err := east.Get(ctx, "/healthz"); err != nil {
		t.Errorf("not healthy while it waits: %v", err)
	}
	if _, err := east.Get(ctx, "/readyz"); err == nil || !strings.Contains(err.Error(), "MCS API") {
		t.Errorf("/readyz says %v, want that it waits for the MCS API", err)
	} else if !strings.Contains(err.Error(), "serviceexports.multicluster.x-k8s.io") {
		t.Errorf("/readyz says %v, want the CRD that lacks", err)
	}
	if err := clusterset.InstallCRDs(ctx, east.Client); err != nil {
		t.Fatal(err)
	}
	if err := east.AwaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	s.create("east", namespace(), service("web"), exportOf("web"))
	s.awaitImport("east", "web", "east")
}

// awaitLog waits until the agent's log has a text. A file tells nobody that it grew, so it is read again
// whenever the agent answered.
func awaitLog(t *testing.T, m *clusterset.Member, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		log, err := os.ReadFile(m.LogFile())
		if err == nil && strings.Contains(string(log), text) {
			return
		}
		if _, err := m.Get(ctx, "/healthz"); ctx.Err() != nil {
			t.Fatalf("the log does not say %q: %v (%v)\n%s", text, ctx.Err(), err, log)
		}
	}
}
