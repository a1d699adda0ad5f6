package complete

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// kubeconfig writes one whose current context is here, whose user has these fields.
func kubeconfig(t *testing.T, server, user string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion": "v1", "kind": "Config", "current-context": "here",
"clusters": [{"name": "c", "cluster": {"server": %q, "insecure-skip-tls-verify": true}}], "users": [{"name": "u", "user": %s}],
"contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}, {"name": "there", "context": {"cluster": "c", "user": "u"}}]}`, server, user)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// object is one as an API server lists it.
type object map[string]any

func thing(namespace, name string, fields ...string) object {
	o := object{"metadata": map[string]any{"namespace": namespace, "name": name}}
	for i := 0; i < len(fields); i += 2 {
		var value any
		if err := json.Unmarshal([]byte(fields[i+1]), &value); err != nil {
			panic(err)
		}
		o[fields[i]] = value
	}
	return o
}

// lists answers as an API server that has these objects, by path, and gives at most size of
// them at a time.
func lists(t *testing.T, objects map[string][]object, size int) (source Source, asked func() int) {
	t.Helper()
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, ok := objects[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		n++
		from, _ := strconv.Atoi(r.URL.Query().Get("continue"))
		to := min(from+size, len(all))
		meta := map[string]any{}
		if to < len(all) {
			meta["continue"] = strconv.Itoa(to)
		}
		items := make([]object, 0, size)
		for _, o := range all[from:to] {
			o["apiVersion"], o["kind"] = "v1", "Thing"
			items = append(items, o)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"apiVersion": "v1", "kind": "ThingList", "metadata": meta, "items": items}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return Source{Kubeconfig: kubeconfig(t, server.URL, "{}"), Agents: "hansa-system", Patience: time.Minute}, func() int { return n }
}

const mcs = "/apis/multicluster.x-k8s.io/v1beta1/"

func TestServicesThatMayBeExported(t *testing.T) {
	rule.Covers(t, "E6")
	s, _ := lists(t, map[string][]object{
		"/api/v1/namespaces/shop/services": {
			thing("shop", "db", "spec", `{"type": "ClusterIP", "clusterIP": "None", "ports": [{"port": 5432, "protocol": "TCP"}]}`),
			thing("shop", "elsewhere", "spec", `{"type": "ExternalName"}`),
			thing("shop", "imported", "metadata", `{"namespace": "shop", "name": "imported", "labels": {"hansa.dev/managed-by": "hansa"}}`),
			thing("shop", "web", "spec", `{"type": "ClusterIP", "ports": [{"port": 80, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}]}`),
		},
		mcs + "namespaces/shop/serviceexports": {thing("shop", "db"), thing("shop", "gone")},
	}, page)
	for _, test := range []struct{ typed, want string }{
		{"", "[{web ClusterIP 80/TCP 53/UDP}]"},
		{"d", "[{db headless 5432/TCP}]"},
		{"e", "[]"},
		{"i", "[]"},
	} {
		if got := fmt.Sprint(s.Services(t.Context(), test.typed)); got != test.want {
			t.Errorf("Services(%q) = %s, want %s", test.typed, got, test.want)
		}
	}
	if got := texts(s.Exports(t.Context(), "")); got != "db gone" {
		t.Errorf("Exports = %q, want all ServiceExports", got)
	}
}

// A cluster without the MCS API has Services, too.
func TestServicesWithoutServiceExports(t *testing.T) {
	s, _ := lists(t, map[string][]object{"/api/v1/namespaces/shop/services": {thing("shop", "web")}}, page)
	if got := texts(s.Services(t.Context(), "")); got != "web" {
		t.Errorf("Services = %q, want web", got)
	}
}

func TestNamesComePageByPageAndNotWithoutEnd(t *testing.T) {
	var all []object
	for i := range 2 * Most {
		all = append(all, thing("", fmt.Sprintf("team-%04d", i)))
	}
	all = append(all, thing("", "zoo"))
	s, asked := lists(t, map[string][]object{"/api/v1/namespaces": all}, 100)
	if got := s.Namespaces(t.Context(), ""); len(got) != Most || asked() != Most/100 {
		t.Errorf("%d names with %d requests, want %d with %d", len(got), asked(), Most, Most/100)
	}
	if got := texts(s.Namespaces(t.Context(), "z")); got != "zoo" {
		t.Errorf("of the last page: %q, want zoo", got)
	}
}

func TestServiceNames(t *testing.T) {
	web := thing("shop", "web", "status", `{"clusters": [{"cluster": "west"}, {"cluster": "east"}]}`)
	s, _ := lists(t, map[string][]object{
		mcs + "serviceimports":                 {web},
		mcs + "serviceexports":                 {thing("shop", "web"), thing("team", "api")},
		mcs + "namespaces/shop/serviceimports": {web},
		mcs + "namespaces/shop/serviceexports": {thing("shop", "web")},
	}, page)
	for _, test := range []struct{ typed, want string }{
		{"", "[{shop/web from east, west} {team/api exported here}]"},
		{"t", "[{team/api exported here}]"},
		{"shop/", "[{shop/web from east, west}]"},
		{"none/", "[]"},
	} {
		if got := fmt.Sprint(s.ServiceNames(t.Context(), test.typed)); got != test.want {
			t.Errorf("ServiceNames(%q) = %s, want %s", test.typed, got, test.want)
		}
	}
}

// Who may not read the agents' ConfigMap knows the clusters that export something to the namespace.
func TestClustersWithoutTheAgentsConfigMap(t *testing.T) {
	s, _ := lists(t, map[string][]object{mcs + "namespaces/shop/serviceimports": {
		thing("shop", "web", "status", `{"clusters": [{"cluster": "west"}, {"cluster": "east"}]}`),
		thing("shop", "api", "status", `{"clusters": [{"cluster": "west"}]}`),
	}}, page)
	if got := texts(s.Clusters(t.Context(), nil, "")); got != "east west" {
		t.Errorf("Clusters = %q, want those of the ServiceImports", got)
	}
}

func TestContexts(t *testing.T) {
	s := Source{Kubeconfig: kubeconfig(t, "http://127.0.0.1:1", "{}")}
	if got, want := fmt.Sprint(s.Contexts(t.Context(), "")), "[{here the current one} {there }]"; got != want {
		t.Errorf("Contexts = %s, want %s", got, want)
	}
}

// find are all look-ups.
var find = map[string]func(Source, *testing.T) []Name{
	"namespaces": func(s Source, t *testing.T) []Name { return s.Namespaces(t.Context(), "") },
	"services":   func(s Source, t *testing.T) []Name { return s.Services(t.Context(), "") },
	"exports":    func(s Source, t *testing.T) []Name { return s.Exports(t.Context(), "") },
	"names":      func(s Source, t *testing.T) []Name { return s.ServiceNames(t.Context(), "") },
	"clusters":   func(s Source, t *testing.T) []Name { return s.Clusters(t.Context(), nil, "") },
	"tokens":     func(s Source, t *testing.T) []Name { return s.Tokens(t.Context(), "") },
}

func TestWhatFailsHasNoNames(t *testing.T) {
	nobody := kubeconfig(t, "http://127.0.0.1:1", "{}")
	for what, s := range map[string]Source{
		"no kubeconfig":   {Kubeconfig: filepath.Join(t.TempDir(), "none")},
		"no such context": {Kubeconfig: nobody, Context: "nowhere"},
		"no API server":   {Kubeconfig: nobody},
		"no agent":        {Kubeconfig: nobody, Agent: "127.0.0.1:1"},
		"no address":      {Kubeconfig: nobody, Agent: "::"},
	} {
		for name, find := range find {
			if got := find(s, t); len(got) > 0 {
				t.Errorf("%s, %s: %v, want nothing", what, name, got)
			}
		}
	}
}

func TestAnAPIServerThatDoesNotAnswerHoldsNobodyUp(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	for name, find := range find {
		if got := find(Source{Kubeconfig: kubeconfig(t, server.URL, "{}"), Patience: 10 * time.Millisecond}, t); len(got) > 0 {
			t.Errorf("%s: %v, want nothing", name, got)
		}
	}
}

// A plugin that gets credentials may wait for somebody to log in.
func TestAPluginThatWaitsHoldsNobodyUp(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler()) // without TLS there are no credentials
	t.Cleanup(server.Close)
	dir := t.TempDir()
	began, login := filepath.Join(dir, "began"), filepath.Join(dir, "login")
	if err := syscall.Mkfifo(login, 0o600); err != nil {
		t.Fatal(err)
	}
	plugin := fmt.Sprintf(`{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": ["-c", "echo >%s; cat %s"], "interactiveMode": "IfAvailable"}}`, began, login)
	s := Source{Kubeconfig: kubeconfig(t, server.URL, plugin)}
	if got := s.Namespaces(t.Context(), ""); len(got) > 0 {
		t.Errorf("%v, want nothing", got)
	}
	if _, err := os.Stat(began); err != nil {
		t.Fatalf("the plugin was not asked: %v", err)
	}
	f, err := os.OpenFile(login, os.O_WRONLY, 0) // so the plugin ends, and what waits for it
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// What came before time was up is offered.
func TestWhatWasFoundInTimeStays(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("continue") != "" {
			<-r.Context().Done()
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"apiVersion": "v1", "kind": "NamespaceList", "metadata": {"continue": "x"}, "items": [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}]}`))
	}))
	t.Cleanup(server.Close)
	s := Source{Kubeconfig: kubeconfig(t, server.URL, "{}"), Patience: 500 * time.Millisecond}
	if got := texts(s.Namespaces(t.Context(), "")); got != "shop" {
		t.Errorf("Namespaces = %q, want those of the first page", got)
	}
}
