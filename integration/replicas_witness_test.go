package integration

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// webHost is the service whose users the witness plays.
const webHost = "web.shop.svc.clusterset.local"

// witness uses web by each agent all along, whether that is there or not, and fails the test when an answer denies what
// was known when the witness began. It holds an xDS stream to each agent and opens another one as soon as it can when
// that ends, so the first answer of an agent that starts again is heard too; it asks DNS; and it watches what the
// agents of west made.
type witness struct {
	t     *testing.T
	known []netip.AddrPort // by xDS
	stop  func()
	done  sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{}              // closes when one of the following does
	streams map[*clusterset.Member]int // whose first answer came
	named   map[*clusterset.Member]int // answers of DNS
}

// watch begins to be a witness. It returns when each of these agents, which must run, has answered by xDS and DNS.
func (r *replicas) watch(agents []*clusterset.Member, known ...string) *witness {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	w := &witness{t: r.t, stop: stop, changed: make(chan struct{}), streams: map[*clusterset.Member]int{}, named: map[*clusterset.Member]int{}}
	r.t.Cleanup(w.done.Wait)
	r.t.Cleanup(stop)
	for _, k := range known {
		w.known = append(w.known, netip.MustParseAddrPort(k))
	}
	for _, kind := range []client.ObjectList{&mcsv1beta1.ServiceImportList{}, &discoveryv1.EndpointSliceList{}} {
		changes, err := r.Member("west").Client.Watch(ctx, kind, client.InNamespace("shop"))
		if err != nil {
			r.t.Fatal(err)
		}
		w.done.Go(func() { w.objects(changes) })
	}
	for _, m := range agents {
		var si mcsv1beta1.ServiceImport
		if err := m.Client.Get(ctx, client.ObjectKey{Namespace: "shop", Name: "web"}, &si); err != nil {
			r.t.Fatalf("%s: reading the ServiceImport of web: %v", m.Name, err)
		}
		w.done.Go(func() { w.assignments(ctx, m) })
		w.done.Go(func() { w.addresses(ctx, m, si.Spec.IPs) })
	}
	for _, m := range agents {
		w.await(m, 1)
	}
	return w
}

// end ends the witness. The agents that were not ended meanwhile must have had one stream all along.
func (w *witness) end(steady ...*clusterset.Member) {
	w.t.Helper()
	w.stop()
	w.done.Wait()
	for _, m := range steady {
		if w.streams[m] != 1 {
			w.t.Errorf("the agent of %s at %s: the witness had %d streams of xDS, want one all along", m.Name, m.XDS, w.streams[m])
		}
	}
}

// await waits until so many streams of an agent had their first answer, and for another answer of its DNS.
func (w *witness) await(m *clusterset.Member, streams int) {
	w.t.Helper()
	limit, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.mu.Lock()
	named := w.named[m]
	w.mu.Unlock()
	for {
		w.mu.Lock()
		had, answered, changed := w.streams[m], w.named[m] > named, w.changed
		w.mu.Unlock()
		if had >= streams && answered {
			return
		}
		select {
		case <-changed:
		case <-limit.Done():
			w.t.Fatalf("the agent of %s at %s: %d streams of xDS had an answer, want %d; DNS answered: %t", m.Name, m.XDS, had, streams, answered)
		}
	}
}

// note counts something of an agent.
func (w *witness) note(counts map[*clusterset.Member]int, m *clusterset.Member) {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts[m]++
	close(w.changed)
	w.changed = make(chan struct{})
}

// objects looks at what becomes of west's ServiceImports or EndpointSlices.
func (w *witness) objects(changes watch.Interface) {
	defer changes.Stop()
	for e := range changes.ResultChan() {
		if e.Type == watch.Deleted {
			w.t.Errorf("west: deleted: %T %s", e.Object, e.Object.(client.Object).GetName())
		}
		if s, ok := e.Object.(*discoveryv1.EndpointSlice); ok && len(s.Endpoints) == 0 {
			w.t.Errorf("west: EndpointSlice %s has no endpoints left", s.Name)
		}
	}
}

// assignments is a client of an agent's xDS.
func (w *witness) assignments(ctx context.Context, m *clusterset.Member) {
	for knock(ctx, m.XDS) {
		ads, err := probe.OpenAssignment(ctx, m.XDS, webHost, 80)
		if err != nil {
			continue // it ended meanwhile
		}
		for first := true; ; first = false {
			got, err := ads.NextAssignment()
			if err != nil {
				break
			}
			for _, k := range w.known {
				if !slices.Contains(got, k) {
					w.t.Errorf("the agent of %s at %s assigns %v, which lacks %s; the first answer of the stream: %t", m.Name, m.XDS, got, k, first)
				}
			}
			if first {
				w.note(w.streams, m)
			}
		}
		_ = ads.Close()
	}
}

// tick is how often a witness tries what nobody tells it of: whether a port is open again, and what DNS answers.
const tick = 5 * time.Millisecond

// knock waits until somebody listens at the address, and reports whether it did before ctx ended.
func knock(ctx context.Context, address string) bool {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return ctx.Err() == nil
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return false
		}
	}
}

// addresses is a client of an agent's DNS. A question that nobody answers is nobody's denial. SERVFAIL is what an
// agent says that has just begun, and one may try the next; of one that has answered before it is a fault.
func (w *witness) addresses(ctx context.Context, m *clusterset.Member, ips []string) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	begun := false
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		got, err := probe.Query(ctx, m.DNS, webHost, "A")
		switch {
		case err != nil:
			begun = false
		case got.Rcode == "SERVFAIL" && !begun:
		case fmt.Sprint(got.Rcode, got.Records) != fmt.Sprint("NOERROR", ips):
			w.t.Errorf("the agent of %s at %s: DNS answers %s %v, want %v", m.Name, m.DNS, got.Rcode, got.Records, ips)
		default:
			begun = true
			w.note(w.named, m)
		}
	}
}
