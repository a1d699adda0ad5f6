package grpcpy

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/integration/echo"
)

func start(t *testing.T, target string) *User {
	t.Helper()
	python, err := Find(t.Context())
	if err != nil {
		t.Skipf("NOT TESTED with gRPC for Python: %v", err)
	}
	u, err := python.Start([]byte(`{}`), target, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = u.Stop() })
	return u
}

func TestUserTellsWhoAnswered(t *testing.T) {
	backend, err := echo.Start("ödön", netip.MustParseAddr("127.0.0.1"))
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Stop()
	u := start(t, "dns:///"+backend.GRPC.String())
	for range 3 {
		if name, err := u.Call(t.Context()); name != "ödön" || err != nil {
			t.Fatalf("%q answers, %v", name, err)
		}
	}
	backend.Stop()
	if name, err := u.Call(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "UNAVAILABLE: ") {
		t.Errorf("without a backend %q answers, %v", name, err)
	}
	if err := u.Stop(); err != nil {
		t.Error(err)
	}
	if name, err := u.Call(t.Context()); err == nil {
		t.Errorf("after Stop %q answers", name)
	}
}

func TestCallHasALimit(t *testing.T) {
	u := start(t, "xds:///nobody") // of which the bootstrap says nothing
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if name, err := u.Call(ctx); err == nil {
		t.Errorf("%q answers", name)
	}
	if name, err := u.Call(t.Context()); err == nil {
		t.Errorf("%q answers", name)
	}
}
