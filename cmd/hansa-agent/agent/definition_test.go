package agent

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// A CRD that is there again is told also if nobody saw it go, but one that merely changes is not.
func TestACRDReturnsAlsoAsAnother(t *testing.T) {
	rule.Covers(t, "I12")
	crd := func(uid types.UID) *apiextensionsv1.CustomResourceDefinition {
		d := serving("v1beta1")
		d.UID = uid
		return d
	}
	going := crd("a")
	going.DeletionTimestamp = new(metav1.Now())
	fresh := crd("b")
	fresh.Status.Conditions = nil
	for _, c := range []struct {
		what string
		seen []any
		want []bool
	}{
		{"there from the first", []any{crd("a"), crd("a")}, []bool{false, false}},
		{"deleted and made anew", []any{crd("a"), going, nil, fresh, crd("b"), crd("b")}, []bool{false, false, false, false, true, false}},
		{"is about to go from the first", []any{going, nil, crd("b")}, []bool{false, false, true}},
		{"gone and back behind our back", []any{crd("a"), crd("b"), crd("b")}, []bool{false, true, false}},
		{"went once more before anybody took notice", []any{nil, crd("b"), nil, crd("c"), crd("c")}, []bool{false, true, false, true, false}},
		{"gone and not yet back", []any{crd("a"), fresh, crd("b")}, []bool{false, false, true}},
	} {
		d, err := newDefinition(&rest.Config{}, "exports", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		for i, obj := range c.seen {
			d.see(obj)
			if got := len(d.Returned()) > 0; got != c.want[i] {
				t.Errorf("%s, step %d: returned %t, want %t", c.what, i, got, c.want[i])
			}
			if c.want[i] {
				<-d.Returned()
			}
		}
	}
}

// api is an API server that has one CRD, or refuses to say.
type api struct {
	crd  *apiextensionsv1.CustomResourceDefinition
	code int
}

func (a *api) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var answer any = a.crd
	if a.code != http.StatusOK {
		reason := map[int]metav1.StatusReason{http.StatusNotFound: metav1.StatusReasonNotFound}[a.code]
		answer = metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusFailure, Code: int32(a.code), Reason: reason}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.code)
	_ = json.NewEncoder(w).Encode(answer)
}

// A CRD is as old as its creation says, while it stays; what cannot be read is neither there nor gone.
func TestSinceWhenACRDIsThere(t *testing.T) {
	rule.Covers(t, "I12")
	made := time.Unix(1_000_000_000, 0)
	there := serving("v1beta1")
	there.TypeMeta = metav1.TypeMeta{Kind: "CustomResourceDefinition", APIVersion: apiextensionsv1.SchemeGroupVersion.String()}
	there.CreationTimestamp = metav1.NewTime(made)
	going, fresh := there.DeepCopy(), there.DeepCopy()
	going.DeletionTimestamp = new(metav1.Now())
	fresh.Status.Conditions = nil
	for _, c := range []struct {
		what   string
		server api
		want   time.Time
		fails  bool
	}{
		{"there", api{there, http.StatusOK}, made, false},
		{"about to go", api{going, http.StatusOK}, time.Time{}, false},
		{"not established", api{fresh, http.StatusOK}, time.Time{}, false},
		{"gone", api{nil, http.StatusNotFound}, time.Time{}, false},
		{"unreadable", api{nil, http.StatusForbidden}, time.Time{}, true},
	} {
		server := httptest.NewServer(&c.server)
		d, err := newDefinition(&rest.Config{Host: server.URL}, "exports", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		since, err := d.Since(t.Context(), time.Now())
		if !since.Equal(c.want) || (err != nil) != c.fails {
			t.Errorf("%s: since %s, error %v, want %s", c.what, since, err, c.want)
		}
		served, err := d.Served(t.Context())
		if served == c.want.IsZero() || (err != nil) != c.fails {
			t.Errorf("%s: served %t, error %v", c.what, served, err)
		}
		server.Close()
	}
}
