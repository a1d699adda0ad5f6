package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// request is what an API server counts the same.
type request struct{ verb, resource, subresource, code string }

func gets(asked map[request]int, resource string) (n int) {
	for r, m := range asked {
		if r.verb == http.MethodGet && r.resource == resource {
			n += m
		}
	}
	return n
}

// writes reports whether it is a write to one of the kinds.
func (r request) writes() bool {
	return kinds[r.resource] != nil && slices.Contains([]string{"APPLY", "PATCH", "POST", "PUT", "DELETE"}, r.verb)
}

func (r request) succeeded() bool { return strings.HasPrefix(r.code, "2") }

var (
	counter = regexp.MustCompile(`(?m)^apiserver_request_total\{(.*)\} (\S+)$`)
	label   = regexp.MustCompile(`([a-z_]+)="([^"]*)"`)
)

// requestsIn reads the metrics of an API server. Dry runs, by which an agent learns at its start which
// addresses there are, are left out.
func requestsIn(metrics []byte) (map[request]int, error) {
	all := map[request]int{}
	for _, line := range counter.FindAllSubmatch(metrics, -1) {
		labels := map[string]string{}
		for _, l := range label.FindAllSubmatch(line[1], -1) {
			labels[string(l[1])] = string(l[2])
		}
		n, err := strconv.ParseFloat(string(line[2]), 64)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", line[0], err)
		}
		if labels["dry_run"] == "" {
			all[request{labels["verb"], labels["resource"], labels["subresource"], labels["code"]}] += int(n)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the API server counts no request")
	}
	return all, nil
}

// kinds are what agents write to, by the names that requests have.
var kinds = map[string]client.ObjectList{
	"serviceexports": &mcsv1beta1.ServiceExportList{},
	"serviceimports": &mcsv1beta1.ServiceImportList{},
	"services":       &corev1.ServiceList{},
	"endpointslices": &discoveryv1.EndpointSliceList{},
	"events":         &corev1.EventList{},
}

// page is one change of one object.
type page struct {
	resource, about string
	what            watch.EventType
	idle            bool // nothing changed but metadata that the API server keeps
	others          bool // an Event about no service: of an API server on its addresses, or of an agent on its peers
}

func (p page) String() string { return fmt.Sprintf("%s %s %s", p.what, p.resource, p.about) }

// book is what became of the objects of a cluster, as watches tell it.
type book struct {
	member *clusterset.Member
	http   *http.Client
	start  map[request]int // what was counted when it was opened

	mu      sync.Mutex
	failed  error         // why it is incomplete
	turned  chan struct{} // closes when a page is written
	pages   []page
	objects map[string]map[string]client.Object // by resource, and by name
}

// openBook begins a book, to which something is written until the test ends. What is written to the cluster meanwhile, as an
// Event of what began before, might be on its pages or not; so it begins another one then.
func openBook(t *testing.T, m *clusterset.Member) *book {
	t.Helper()
	for {
		b := beginBook(t, m)
		a, err := b.account(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", m.Name, err)
		}
		written := 0
		for resource := range kinds {
			written += a.written[resource]
		}
		if written == 0 {
			return b
		}
		t.Logf("%s: %v were written while the book was opened", m.Name, a.written)
	}
}

func beginBook(t *testing.T, m *clusterset.Member) *book {
	t.Helper()
	b := &book{member: m, turned: make(chan struct{}), objects: map[string]map[string]client.Object{}}
	var err error
	if b.http, err = rest.HTTPClientFor(m.REST); err != nil {
		t.Fatal(err)
	}
	a, err := b.account(t.Context())
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	b.start = a.requests
	var watches sync.WaitGroup
	t.Cleanup(watches.Wait)
	for resource, kind := range kinds {
		b.objects[resource] = map[string]client.Object{}
		list := kind.DeepCopyObject().(client.ObjectList)
		if err := m.Client.List(t.Context(), list); err != nil {
			t.Fatalf("%s: listing %s: %v", m.Name, resource, err)
		}
		// The objects of the API server itself are as none.
		w, err := watchtools.NewRetryWatcherWithContext(t.Context(), list.GetResourceVersion(), &toolscache.ListWatch{
			WatchFuncWithContext: func(ctx context.Context, raw metav1.ListOptions) (watch.Interface, error) {
				return m.Client.Watch(ctx, list, &client.ListOptions{Raw: &raw})
			},
		})
		if err != nil {
			t.Fatalf("%s: watching %s: %v", m.Name, resource, err)
		}
		t.Cleanup(w.Stop)
		watches.Go(func() {
			for e := range w.ResultChan() {
				b.write(resource, e)
			}
		})
	}
	return b
}

// write adds a page.
func (b *book) write(resource string, e watch.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer func() { close(b.turned); b.turned = make(chan struct{}) }()
	o, ok := e.Object.(client.Object)
	if !ok {
		b.failed = fmt.Errorf("the watch of %s: %w", resource, apierrors.FromObject(e.Object))
		return
	}
	key, about := client.ObjectKeyFromObject(o).String(), client.ObjectKeyFromObject(o).String()
	if service := o.GetLabels()[mcsv1beta1.LabelServiceName]; service != "" {
		about += " of " + service
	}
	others := false
	if event, ok := o.(*corev1.Event); ok {
		about = fmt.Sprintf("%s about %s %s", event.Reason, event.InvolvedObject.Kind, event.InvolvedObject.Name)
		others = event.ReportingController == "ipallocator-repair-controller" || event.InvolvedObject.Kind == "ConfigMap"
	}
	before := b.objects[resource][key]
	idle := before != nil && e.Type == watch.Modified && equality.Semantic.DeepEqual(bare(before), bare(o))
	b.pages = append(b.pages, page{resource, about, e.Type, idle, others})
	if b.objects[resource][key] = o; e.Type == watch.Deleted {
		delete(b.objects[resource], key)
	}
}

// bare returns the object without what the API server itself writes down at each write.
func bare(o client.Object) client.Object {
	c := o.DeepCopyObject().(client.Object)
	c.SetResourceVersion("")
	c.SetGeneration(0)
	c.SetManagedFields(nil)
	return c
}

// await waits until the book is as wanted.
func (b *book) await(ctx context.Context, want func() bool) error {
	for {
		b.mu.Lock()
		done, failed, turned := want(), b.failed, b.turned
		b.mu.Unlock()
		if done || failed != nil {
			return failed
		}
		select {
		case <-turned:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// shows reports whether a service is imported, with these endpoints and no others, and all is said of this
// cluster's export, if there is one. It is for await.
func (b *book) shows(name string, addresses ...string) bool {
	si, ok := b.objects["serviceimports"]["shop/"+name].(*mcsv1beta1.ServiceImport)
	if !ok || !meta.IsStatusConditionTrue(si.Status.Conditions, string(mcsv1beta1.ServiceImportConditionReady)) {
		return false
	}
	if e, ok := b.objects["serviceexports"]["shop/"+name].(*mcsv1beta1.ServiceExport); ok {
		ready := meta.IsStatusConditionTrue(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady))
		if !ready || meta.FindStatusCondition(e.Status.Conditions, string(mcsv1beta1.ServiceExportConditionConflict)) == nil {
			return false
		}
	}
	var there []string
	for _, o := range b.made("endpointslices", name) {
		for _, ep := range o.(*discoveryv1.EndpointSlice).Endpoints {
			there = append(there, ep.Addresses...)
		}
	}
	slices.Sort(there)
	return slices.Equal(there, addresses)
}

// withdrawn reports whether nothing is left of a service but an address that rests. It is for await.
func (b *book) withdrawn(name string) bool {
	for _, resource := range []string{"serviceexports", "serviceimports"} {
		if b.objects[resource]["shop/"+name] != nil {
			return false
		}
	}
	awake := func(o client.Object) bool { return o.GetAnnotations()["hansa.dev/resting-since"] == "" }
	return len(b.made("endpointslices", name)) == 0 && !slices.ContainsFunc(b.made("services", name), awake)
}

// told reports whether there is an Event. It is for await.
func (b *book) told(kind, name, reason string) bool {
	for _, o := range b.objects["events"] {
		if e, ok := o.(*corev1.Event); ok && e.InvolvedObject.Kind == kind && e.InvolvedObject.Name == name && e.Reason == reason {
			return true
		}
	}
	return false
}

// made returns what the agent made of a service.
func (b *book) made(resource, name string) (list []client.Object) {
	for _, o := range b.objects[resource] {
		if o.GetLabels()[mcsv1beta1.LabelServiceName] == name {
			list = append(list, o)
		}
	}
	return list
}

// account is what an API server counted up to a time, and what watches had told by then.
type account struct {
	requests         map[request]int
	written, changed map[string]int // since the book was opened, by resource: successful writes, and pages
	pages            int
}

func (b *book) account(ctx context.Context) (account, error) {
	a := account{written: map[string]int{}, changed: map[string]int{}}
	metrics, err := b.metrics(ctx)
	if err == nil {
		a.requests, err = requestsIn(metrics)
	}
	if err != nil {
		return a, fmt.Errorf("asking the API server what it was asked: %w", err)
	}
	for r, n := range a.requests {
		if n -= b.start[r]; n > 0 && r.writes() && r.succeeded() {
			a.written[r.resource] += n
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pages {
		a.changed[p.resource]++
	}
	a.pages = len(b.pages)
	return a, nil
}

func (b *book) metrics(ctx context.Context) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.member.REST.Host+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := b.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, errors.New(response.Status)
	}
	return io.ReadAll(response.Body)
}

// between returns the pages that were written between two accounts.
func (b *book) between(before, after account) []page {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.pages[before.pages:after.pages])
}

func TestRequestsIn(t *testing.T) {
	const text = `# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="services",scope="resource",subresource="",verb="APPLY",version="v1"} 2
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="services",scope="resource",subresource="",verb="APPLY",version="v2"} 1e+03
apiserver_request_total{code="422",component="apiserver",dry_run="All",group="",resource="services",scope="namespace",subresource="",verb="POST",version="v1"} 1
apiserver_request_total{code="409",component="apiserver",dry_run="",group="x",resource="serviceexports",scope="resource",subresource="status",verb="PUT",version="v1"} 1
apiserver_response_total{code="200"} 7
`
	got, err := requestsIn([]byte(text))
	want := map[request]int{{"APPLY", "services", "", "200"}: 1002, {"PUT", "serviceexports", "status", "409"}: 1}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("read %v (%v), want %v", got, err, want)
	}
	if _, err := requestsIn([]byte("up 1\n")); err == nil {
		t.Error("metrics without requests were read")
	}
}
