package kube

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// wire returns a door whose API server writes down what it is sent, and refuses it.
func wire(t *testing.T) (d *door, sent func() []string) {
	t.Helper()
	var requests []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		requests = append(requests, fmt.Sprintf("%s %s %s %s", r.Method, r.URL, r.Header.Get("Content-Type"), body))
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(server.Close)
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Service"), meta.RESTScopeNamespace)
	c, err := client.New(&rest.Config{Host: server.URL}, client.Options{HTTPClient: server.Client(), Scheme: clientgoscheme.Scheme, Mapper: mapper})
	if err != nil {
		t.Fatal(err)
	}
	return &door{client: c, log: slog.New(slog.DiscardHandler)}, func() []string { return requests }
}

// TestEachWriteIsForTheObjectThatWasMeant: the first apply meets what somebody else said, the later ones take it
// back; a patch is for the version that was planned on, and a deletion for that very object.
func TestEachWriteIsForTheObjectThatWasMeant(t *testing.T) {
	before := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "uid-1", ResourceVersion: "7"}}
	after := before.DeepCopy()
	after.Spec.SessionAffinity = "None"
	said := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	const path, manager, version = " /api/v1/namespaces/shop/services/web", "fieldManager=hansa-importer", `"metadata":{"resourceVersion":"7"}`
	for _, c := range []struct {
		change     Change
		begin, has string
	}{
		{Change{Verb: Apply, Object: said, First: true}, "PATCH" + path + "?" + manager + " application/apply-patch", ""},
		{Change{Verb: Apply, Object: said}, "PATCH" + path + "?" + manager + "&force=true application/apply-patch", ""},
		{Change{Verb: Patch, Object: after, Before: before}, "PATCH" + path + "?" + manager + " application/merge-patch+json", version},
		{Change{Verb: PatchStatus, Object: after, Before: before}, "PATCH" + path + "/status?" + manager + " application/merge-patch+json", version},
		{Change{Verb: Delete, Object: before}, "DELETE" + path + " ", "uid-1"},
	} {
		d, sent := wire(t)
		if err := d.send(t.Context(), c.change); err == nil {
			t.Errorf("%s: no error", c.change.Verb)
		}
		if got := sent(); len(got) != 1 || !strings.HasPrefix(got[0], c.begin) || !strings.Contains(got[0], c.has) {
			t.Errorf("%s: sent is %q, want %s… with %s", c.change.Verb, slices.Clone(got), c.begin, c.has)
		}
	}
}
