package integration

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/metrics"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// What is written changes something, and nothing is read before. The API servers themselves say what they were
// asked, but not by whom: so this test reads by lists and watches alone, and what it writes is counted like
// what the agents write.
func TestRequests(t *testing.T) {
	watchLimiters(t)
	l := &ledger{tell(t, "east", "west"), map[string]*book{}}
	for _, m := range l.Members() {
		l.create(m.Name, namespace())
		l.books[m.Name] = openBook(t, m) // nothing is exported yet, so nothing is being written
	}
	l.mark("first")
	t.Run("each write changes something while exports come, change and go", l.during(exportsComeAndGo))
	t.Run("#43 an agent that starts again writes nothing", l.during(silentRestart))
}

func exportsComeAndGo(l *ledger) {
	before := l.settle()
	var all []*discoveryv1.EndpointSlice
	for i := range 50 { // so many that one request for each cannot hide
		name := fmt.Sprintf("web-%d", i)
		endpoints := slice(name, name, fmt.Sprintf("10.1.%d.1", i))
		l.create("east", service(name), endpoints, exportOf(name))
		all = append(all, endpoints)
	}
	shown := func(b *book, e *discoveryv1.EndpointSlice) bool { return b.shows(e.Name, e.Endpoints[0].Addresses...) }
	awaitEach(l, "imports", all, shown)
	for i, e := range all {
		e.Endpoints[0].Addresses[0] = fmt.Sprintf("10.1.%d.2", i)
		if err := l.Member("east").Client.Update(l.t.Context(), e); err != nil {
			l.t.Fatal(err)
		}
	}
	awaitEach(l, "changed endpoints", all, shown)
	for _, e := range all {
		l.delete("east", exportOf(e.Name))
	}
	awaitEach(l, "withdrawals", all, func(b *book, e *discoveryv1.EndpointSlice) bool { return b.withdrawn(e.Name) })
	l.mark("second")
	l.check(before, l.settle())
}

func silentRestart(l *ledger) {
	rule.Covers(l.t, "#43")
	l.create("east", service("both"), slice("both", "both", "10.1.0.1"), exportOf("both"))
	l.create("west", service("both", func(s *corev1.Service) { s.Spec.Ports[0].Port = 81 }), slice("both", "both", "10.2.0.1"), exportOf("both"))
	l.create("east", service("db", headless), slice("db", "db", "10.1.0.2"), exportOf("db"))
	l.create("west", exportOf("none"))
	awaitEach(l, "what stays", []string{"both"}, func(b *book, name string) bool {
		return b.shows(name, "10.1.0.1", "10.2.0.1") && b.shows("db", "10.1.0.2") &&
			b.told("ServiceExport", name, "PortConflict") && b.told("ServiceImport", name, "PortConflict") &&
			(b.member.Name == "east" || b.told("ServiceExport", "none", "NoService"))
	})
	l.mark("third")
	before := l.settle()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	if err := l.Member("west").RestartAgent(ctx); err != nil {
		l.t.Fatal(err)
	}
	l.mark("fourth")
	after := l.settle()
	l.check(before, after)
	for cluster, b := range l.books {
		for _, p := range b.between(before[cluster], after[cluster]) {
			if !p.others && !strings.Contains(p.about, "marker-fourth-") {
				l.t.Errorf("%s: written after the restart: %s", cluster, p)
			}
		}
	}
}

// ledger is a story of which all writes are known.
type ledger struct {
	*story
	books map[string]*book // by cluster
}

func (l *ledger) during(part func(*ledger)) func(*testing.T) {
	return func(t *testing.T) { part(&ledger{&story{l.Clusterset, t}, l.books}) }
}

// awaitEach waits until each item is as wanted in each cluster.
func awaitEach[T any](l *ledger, what string, items []T, want func(*book, T) bool) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	for cluster, b := range l.books {
		missing := func(item T) bool { return !want(b, item) }
		if err := b.await(ctx, func() bool { return !slices.ContainsFunc(items, missing) }); err != nil {
			l.t.Fatalf("%s: awaiting %s: %v\n%s", cluster, what, err, tail(l.Member(cluster).LogFile()))
		}
	}
}

// mark exports markers from all clusters until what was caused before has been written; scene.barrier says why
// twice.
func (l *ledger) mark(name string) {
	l.t.Helper()
	for round := range 2 {
		markers := map[string]string{}
		for i, m := range l.Members() {
			marker, address := fmt.Sprintf("marker-%s-%d-%s", name, round, m.Name), fmt.Sprintf("10.3.%d.%d", round, i+1)
			l.create(m.Name, service(marker), slice(marker, marker, address), exportOf(marker))
			markers[marker] = address
		}
		awaitEach(l, "markers", slices.Collect(maps.Keys(markers)), func(b *book, marker string) bool { return b.shows(marker, markers[marker]) })
	}
}

// settle returns the accounts of all clusters once those agree with what watches told: a write that succeeds
// and changes nothing is counted, and never told. An API server counts a request some time around telling of
// its change, and nothing tells when it has: so it is asked again.
func (l *ledger) settle() map[string]account {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), patience)
	defer cancel()
	all := map[string]account{}
	for cluster, b := range l.books {
		var a account
		for {
			next, err := b.account(ctx)
			if err != nil {
				l.t.Fatalf("%s: %v\nlast written %v\nand changed %v\nby %v", cluster, err, a.written, a.changed, a.requests)
			}
			if a = next; maps.Equal(a.written, a.changed) {
				break
			}
		}
		all[cluster] = a
	}
	return all
}

// check looks at what was asked, and what became of it, between two accounts.
func (l *ledger) check(before, after map[string]account) {
	l.t.Helper()
	for cluster, b := range l.books {
		asked := map[request]int{}
		for r, n := range after[cluster].requests {
			if n -= before[cluster].requests[r]; n > 0 {
				asked[r] = n
			}
		}
		l.t.Logf("%s: %v", cluster, asked)
		for r, n := range asked {
			if r.code == "429" || r.writes() && !r.succeeded() {
				l.t.Errorf("%s: %d × %v", cluster, n, r)
			}
		}
		for _, resource := range []string{"serviceexports", "serviceimports", "services", "endpointslices", "namespaces"} {
			own := 0
			if resource == "endpointslices" {
				// The API server itself looks after its own, each time right after its Endpoints, which no
				// agent knows; it may be between the two.
				own = gets(asked, "endpoints") + 1
			}
			if resource == "namespaces" {
				own = 1 // an agent that starts asks for the UID of kube-system
			}
			if n := gets(asked, resource); n > own {
				l.t.Errorf("%s: %d × GET of %s, of which at most %d are known why", cluster, n, resource, own)
			}
		}
		for _, p := range b.between(before[cluster], after[cluster]) {
			if p.idle {
				l.t.Errorf("%s: nothing changed but who owns what: %s", cluster, p)
			}
		}
	}
}

// limited are the requests that passed a client-side rate limiter, whether it held them or not.
type limited struct {
	mu   sync.Mutex
	list []string
}

// Observe implements metrics.LatencyMetric of client-go.
func (l *limited) Observe(_ context.Context, verb string, u url.URL, _ time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, verb+" "+u.String())
}

// watchLimiters fails the test if a client in this process, of an agent or of the test, limits its own rate:
// the API server's priority and fairness decides. It must be called before there is one.
func watchLimiters(t *testing.T) {
	before, seen := metrics.RateLimiterLatency, &limited{}
	metrics.RateLimiterLatency = seen
	t.Cleanup(func() { // when all have ended
		metrics.RateLimiterLatency = before
		if len(seen.list) > 0 {
			t.Errorf("%d requests passed a client-side rate limiter, such as %s", len(seen.list), seen.list[0])
		}
	})
}
