package report

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

func TestAddressesOfAgents(t *testing.T) {
	for _, good := range []string{"127.0.0.1:8080", "localhost:8080", "http://[::1]:8080", "https://agent.example:8080/"} {
		if _, err := NewClient(good, nil); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "http://", "ftp://agent:21", "agent:8080/v1/status", "http://agent?x=y", "%", "http://%"} {
		if _, err := NewClient(bad, nil); err == nil || !strings.Contains(err.Error(), "want host:port") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// What is no agent, or none that can be reached, is told in words that say where.
func TestClientSaysWhatIsWrong(t *testing.T) {
	answers := map[string]http.HandlerFunc{
		"is no agent of Hansa, or another version": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"it says Not Found, and may be no agent":   http.NotFound,
		"the agent refuses: no (418)": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, `{"error":"no"}`)
		},
		"it says Found": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.example/", http.StatusFound)
		},
		"broke off its answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "{")
		},
	}
	for want, answer := range answers {
		if _, err := client(t, serve(t, answer)).Status(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := client(t, "127.0.0.1:1").Status(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the agent at 127.0.0.1:1 does not answer: ") {
		t.Errorf("nobody there: %v", err)
	}
	var refused *Refused
	_, err := client(t, serve(t, answers["the agent refuses: no (418)"])).Explain(t.Context(), federation.ServiceName{Namespace: "shop", Name: "web"})
	if !errors.As(err, &refused) || refused.Code != http.StatusTeapot {
		t.Errorf("%v", err)
	}
}

// An agent that never comes to an end is not asked for ever.
func TestClientIsNotLedInCircles(t *testing.T) {
	for _, next := range []string{"shop/web", "shop/web/0", "a/a", "nonsense"} {
		asked := 0
		c := client(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked++
			_, _ = io.WriteString(w, `{"services":[{}],"endpoints":[{}],"next":"`+next+`"}`)
		})))
		if _, err := c.Services(t.Context(), Query{}); err == nil || !strings.HasPrefix(err.Error(), "the agent says that more comes ") {
			t.Errorf("%s: %v", next, err)
		}
		if _, err := c.XDSResources(t.Context(), XDSQuery{Type: CDS, After: "x"}); err == nil {
			t.Errorf("%s: what comes before %q is taken for more", next, "x")
		}
		if _, err := c.Endpoints(t.Context(), Query{}); err == nil || asked > 6 {
			t.Errorf("%s: asked %d times: %v", next, asked, err)
		}
	}
}

// What is longer than any answer is not read to its end.
func TestAnswersAreReadToABound(t *testing.T) {
	c := client(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})))
	if _, err := c.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "is longer than") {
		t.Errorf("%v", err)
	}
}
