package integration

import (
	"cmp"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// gates stand between agents and their API servers, one for each cluster, and write down what is asked. The
// API server's own metrics do not tell who asked, nor about which namespace.
type gates struct {
	t      *testing.T
	mu     sync.Mutex
	byName map[string]*gate
}

// gate is a reverse proxy of one API server.
type gate struct {
	kubeconfig string // of who shall pass
	mu         sync.Mutex
	asked      map[string][]string // by namespace
}

// through returns the kubeconfig of an agent whose API server is reached by the kubeconfig that is given.
func (g *gates) through(cluster, kubeconfig string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.byName[cluster] == nil {
		built, err := g.build(cluster, kubeconfig)
		if err != nil {
			g.t.Errorf("building the gate of %s: %v", cluster, err)
			return kubeconfig
		}
		g.byName[cluster] = built
	}
	return g.byName[cluster].kubeconfig
}

func (g *gates) build(cluster, kubeconfig string) (*gate, error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil, err
	}
	server, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
	if err != nil {
		return nil, err
	}
	built := &gate{kubeconfig: filepath.Join(g.t.TempDir(), cluster), asked: map[string][]string{}}
	proxy, err := built.proxy(server)
	if err != nil {
		return nil, err
	}
	front := httptest.NewUnstartedServer(proxy)
	front.EnableHTTP2 = true
	front.Config.ErrorLog = proxy.ErrorLog
	front.StartTLS()
	g.t.Cleanup(front.Close)
	for _, c := range config.Clusters {
		c.Server, c.CertificateAuthority = front.URL, ""
		c.CertificateAuthorityData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: front.Certificate().Raw})
	}
	return built, clientcmd.WriteToFile(*config, built.kubeconfig)
}

func (g *gate) proxy(server *rest.Config) (*httputil.ReverseProxy, error) {
	target, err := url.Parse(server.Host)
	if err != nil {
		return nil, err
	}
	transport, err := rest.TransportFor(server)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1, // watches
		ModifyResponse: g.see,
		ErrorLog:       slog.NewLogLogger(slog.DiscardHandler, 0), // an agent that is stopped ends its watches
	}, nil
}

// see writes a request down, if it is about a namespace; Events are told on the side, and of watches only
// those are asked for that begin.
func (g *gate) see(response *http.Response) error {
	namespace, what := asked(response.Request)
	if namespace == "" || strings.HasPrefix(what, "events") {
		return nil
	}
	verb := response.Request.Method
	if strings.Contains(response.Request.Header.Get("Content-Type"), "apply-patch") {
		verb = "APPLY"
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[namespace] = append(g.asked[namespace], fmt.Sprintf("%s %s %d", verb, what, response.StatusCode))
	return nil
}

// asked returns which namespace a request is about, and what in it: serviceimports/web/status.
func asked(r *http.Request) (namespace, what string) {
	_, rest, found := strings.Cut(r.URL.Path, "/namespaces/")
	namespace, what, _ = strings.Cut(rest, "/")
	if !found || what == "" {
		return "", ""
	}
	return namespace, what
}

// take returns what was asked about a namespace since the last time, sorted.
func (g *gate) take(namespace string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := g.asked[namespace]
	delete(g.asked, namespace)
	slices.SortFunc(list, func(a, b string) int {
		_, what, _ := strings.Cut(a, " ")
		_, other, _ := strings.Cut(b, " ")
		return cmp.Or(strings.Compare(what, other), strings.Compare(a, b))
	})
	return list
}

func (s *scene) requests(at *site, _ []string) error {
	for _, line := range s.gates.byName[at.Name].take(s.ns) {
		s.print(line + "\n")
	}
	return nil
}

func TestAsked(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/namespaces/shop/services/web":                                          "shop services/web",
		"/apis/multicluster.x-k8s.io/v1beta1/namespaces/shop/serviceimports/web/status": "shop serviceimports/web/status",
		"/api/v1/namespaces/shop/events":                                                "shop events",
		"/api/v1/namespaces/shop":                                                       " ",
		"/api/v1/namespaces":                                                            " ",
		"/api/v1/services":                                                              " ",
	} {
		namespace, what := asked(httptest.NewRequest(http.MethodGet, path, nil))
		if got := namespace + " " + what; got != want {
			t.Errorf("%s is about %q, want %q", path, got, want)
		}
	}
}
