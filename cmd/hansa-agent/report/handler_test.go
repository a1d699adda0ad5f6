package report

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
)

// still returns a scene of now: west exports shop/web and shop/api, which are not imported, and east nothing.
func still(t *testing.T) *Scene {
	t.Helper()
	s := newStory("east", "")
	s.store.Announce(1, nil)
	for _, name := range []string{"shop/api", "shop/web"} {
		e, err := parseExport("west", name, []string{"endpoints=10.2.0.1,10.2.0.2"})
		if err != nil {
			t.Fatal(err)
		}
		s.of("west")[e.Name] = e
	}
	if err := federationtest.Say(s.store, "west", federation.Version{Term: 5, Seq: 12}, s.list("west")...); err != nil {
		t.Fatal(err)
	}
	s.turn("MCSHost", false, "environment", "ENABLE_MCS_HOST")
	s.scene.Gates[0].Since, s.scene.Frozen, s.scene.Faults = epoch, new(epoch), []string{"a fault"}
	s.scene.AutoExport.Made, s.scene.AutoExport.ClusterLocal = 3, []string{"*.shop.svc.cluster.local"}
	s.scene.Now, s.scene.View, s.scene.XDS = epoch, importer.Empty(), newDiscovery()
	return &s.scene
}

// serve lets a handler of the scene answer on a listener, and returns its address.
func serve(t testing.TB, handler http.Handler) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return listener.Addr().String()
}

// transport is one whose connections end with the test.
func transport(t testing.TB) *http.Transport {
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	return tr
}

func client(t testing.TB, address string) *Client {
	t.Helper()
	c, err := NewClient(address, transport(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// What a client reads over a real connection is what the scene says, every field of it.
func TestClientReadsWhatTheHandlerSays(t *testing.T) {
	scene := still(t)
	c := client(t, serve(t, Handler(func(time.Time) *Scene { return scene }, Local)))
	name := federation.ServiceName{Namespace: "shop", Name: "web"}
	for what, ask := range map[string]func(context.Context) (got, want any, err error){
		"status": func(ctx context.Context) (any, any, error) { a, err := c.Status(ctx); return a, scene.Status(), err },
		"clusters": func(ctx context.Context) (any, any, error) {
			a, err := c.Clusters(ctx)
			return a, scene.Clusters(), err
		},
		"services": func(ctx context.Context) (any, any, error) {
			a, err := c.Services(ctx, Query{})
			return a, scene.Services(Query{}), err
		},
		"features": func(ctx context.Context) (any, any, error) {
			a, err := c.Features(ctx)
			return a, scene.Features(), err
		},
		"endpoints": func(ctx context.Context) (any, any, error) {
			a, err := c.Endpoints(ctx, Query{})
			return a, scene.Endpoints(Query{}), err
		},
		"clients": func(ctx context.Context) (any, any, error) {
			a, err := c.XDSClients(ctx, "web-1")
			want, _ := scene.XDSClients(XDSQuery{Client: "web-1"})
			return a, want, err
		},
		"resources": func(ctx context.Context) (any, any, error) {
			q := XDSQuery{Type: CDS, Audience: XDSAudience{Kind: KindEnvoy, Zone: "z1"}}
			a, err := c.XDSResources(ctx, q)
			want, _ := scene.XDSResources(q)
			return a, want, err
		},
		"explain": func(ctx context.Context) (any, any, error) {
			a, err := c.Explain(ctx, name)
			return a, scene.Explain(name), err
		},
	} {
		got, want, err := ask(t.Context())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", what, err, text(t, got), text(t, want))
		}
	}
}

func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A client goes on until it has all, or as many as it asked for, however little one answer has.
func TestClientAsksForAllParts(t *testing.T) {
	scene := still(t)
	var asked atomic.Int32
	handler := Handler(func(time.Time) *Scene { return scene }, Local)
	c := client(t, serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		q := r.URL.Query()
		q.Set("limit", "1")
		r.URL.RawQuery = q.Encode()
		handler.ServeHTTP(w, r)
	})))
	services, err := c.Services(t.Context(), Query{Namespace: "shop"})
	if err != nil || len(services.Services) != 2 || services.Next != "" || asked.Load() != 2 {
		t.Errorf("%+v after %d questions: %v", services, asked.Load(), err)
	}
	asked.Store(0)
	resources, err := c.XDSResources(t.Context(), XDSQuery{Type: CDS, Limit: 3})
	if err != nil || len(resources.Resources) != 3 || resources.Next != resources.Resources[2].Name || asked.Load() != 3 {
		t.Errorf("%+v after %d questions: %v", resources, asked.Load(), err)
	}
	asked.Store(0)
	endpoints, err := c.Endpoints(t.Context(), Query{Limit: 3})
	if err != nil || len(endpoints.Endpoints) != 3 || endpoints.Next != "shop/web/1" || asked.Load() != 3 {
		t.Errorf("%+v after %d questions: %v", endpoints, asked.Load(), err)
	}
}

// Nothing but GET of what there is, with parameters that it has, is answered; and it is said what is expected.
func TestHandlerRefusesInWords(t *testing.T) {
	scene := still(t)
	address := serve(t, Handler(func(time.Time) *Scene { return scene }, Local))
	for _, c := range []struct {
		method, path string
		code         int
		want         string
	}{
		{"POST", PathStatus, 405, "want GET: nothing can be changed here"},
		{"DELETE", "/", 405, "want GET"},
		{"GET", "/v1/secrets", 404, "there is no such answer: want one of /v1/status, "},
		{"GET", "/v2/status", 404, "there is no such answer"},
		{"GET", PathStatus + "?namespace=shop", 400, "this answer takes no parameters"},
		{"GET", PathFeatures + "?limit=1", 400, "this answer takes no parameters"},
		{"GET", PathServices + "?limit=x", 400, `limit="x": want a number from 1`},
		{"GET", PathExplain + "?namespace=shop", 400, "want namespace and name of a service"},
		{"GET", PathExplain, 400, "want namespace and name of a service"},
		{"GET", PathXDS + "?type=eds", 400, "this answer takes no parameter but client"},
		{"GET", PathResources, 400, "want type, which is cds, eds, lds or rds"},
		{"GET", PathResources + "?type=eds&kind=cat", 400, `kind="cat": want envoy, grpc, other`},
		{"GET", PathResources + "?type=eds&client=cat", 404, "no client that is connected to agent agent-0 has ID or address"},
	} {
		request, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+address+c.path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Transport: transport(t)}).Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		var r refusal
		if err != nil || json.Unmarshal(body, &r) != nil || response.StatusCode != c.code || !strings.HasPrefix(r.Error, c.want) {
			t.Errorf("%s %s: %d %s (%v), want %d %s", c.method, c.path, response.StatusCode, body, err, c.code, c.want)
		}
		if h := response.Header; h.Get("Content-Type") != "application/json" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: headers %v", c.method, c.path, h)
		}
	}
}

// gate admits who says the word.
type gate struct{}

func (gate) Admit(r *http.Request) error {
	switch r.Header.Get("Authorization") {
	case "":
		return fmt.Errorf("%w: want a token", ErrUnknown)
	case "Bearer good":
		return nil
	}
	return errors.New("the token may not read this")
}

// From another address nobody reads who is not admitted, nor who lets somebody's browser here ask by another name.
func TestOnlyThisMachineReadsUnasked(t *testing.T) {
	scene := still(t)
	for _, c := range []struct {
		about               string
		local, remote, host string
		gate                Gatekeeper
		token               string
		code                int
	}{
		{"this machine", "127.0.0.1:8080", "127.0.0.1:5000", "127.0.0.1:8080", Local, "", 200},
		{"this machine, by name", "127.0.0.1:8080", "127.0.0.1:5000", "localhost:8080", Local, "", 200},
		{"this machine, by IPv6", "[::1]:8080", "[::1]:5000", "[::1]:8080", Local, "", 200},
		{"this machine, without a port", "[::1]:80", "[::1]:5000", "localhost", Local, "", 200},
		{"a name that points here", "127.0.0.1:8080", "127.0.0.1:5000", "evil.example:8080", Local, "", 403},
		{"another machine", "10.0.0.1:8080", "10.0.0.2:5000", "10.0.0.1:8080", Local, "", 403},
		{"another machine, that says it is this one", "10.0.0.1:8080", "10.0.0.2:5000", "127.0.0.1:8080", Local, "", 403},
		{"this machine, by an address that others reach", "10.0.0.1:8080", "10.0.0.1:5000", "10.0.0.1:8080", Local, "", 403},
		{"this machine, at an address that others reach", "10.0.0.1:8080", "127.0.0.1:5000", "127.0.0.1:8080", Local, "", 403},
		{"this machine, where a gate decides", "127.0.0.1:8080", "127.0.0.1:5000", "127.0.0.1:8080", gate{}, "", 401},
		{"a stranger", "10.0.0.1:8080", "10.0.0.2:5000", "10.0.0.1:8080", gate{}, "", 401},
		{"one who may not", "10.0.0.1:8080", "10.0.0.2:5000", "10.0.0.1:8080", gate{}, "Bearer bad", 403},
		{"one who may", "10.0.0.1:8080", "10.0.0.2:5000", "10.0.0.1:8080", gate{}, "Bearer good", 200},
	} {
		local, err := net.ResolveTCPAddr("tcp", c.local)
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(local)), "GET", PathStatus, nil)
		r.RemoteAddr, r.Host = c.remote, c.host
		if c.token != "" {
			r.Header.Set("Authorization", c.token)
		}
		w := httptest.NewRecorder()
		asked := false
		Handler(func(time.Time) *Scene { asked = true; return scene }, c.gate).ServeHTTP(w, r)
		if w.Code != c.code || asked != (c.code == 200) || (w.Header().Get("Connection") == "close") != (c.code != 200) {
			t.Errorf("%s: %d, asked %t, %v: %s", c.about, w.Code, asked, w.Header(), w.Body)
		}
	}
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1"+PathStatus, nil)
	r.RemoteAddr = "127.0.0.1:5000"
	if Handler(func(time.Time) *Scene { return scene }, Local).ServeHTTP(w, r); w.Code != 403 {
		t.Errorf("of which it is not known where it came: %d", w.Code)
	}
}

// No more answers are made at once than so many; who waits and goes is not waited for.
func TestAnswersAreMadeFewAtATime(t *testing.T) {
	scene := still(t)
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Int32
		free := make(chan struct{})
		handler := Handler(func(time.Time) *Scene {
			now.Add(1)
			<-free
			return scene
		}, gate{})
		ask := func(ctx context.Context) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, "GET", PathStatus, nil)
			r.Header.Set("Authorization", "Bearer good")
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			return w
		}
		var asking sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for range 3 * busy {
			asking.Go(func() {
				if w := ask(t.Context()); w.Code != 200 || w.Body.Len() < 100 {
					t.Errorf("%d: %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if n := now.Load(); n != busy {
			t.Errorf("%d answers are made at once, want %d", n, busy)
		}
		gone := make(chan struct{})
		go func() {
			defer close(gone)
			if w := ask(ctx); w.Body.Len() > 0 {
				t.Errorf("who has gone is told %s", w.Body)
			}
		}()
		synctest.Wait()
		cancel()
		<-gone
		close(free)
		asking.Wait()
		if n := now.Load(); n != 3*busy {
			t.Errorf("%d answers were made, want %d", n, 3*busy)
		}
	})
}
