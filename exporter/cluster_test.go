package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
)

var (
	webName = federation.ServiceName{Namespace: "shop", Name: "web"}
	webKey  = client.ObjectKey{Namespace: "shop", Name: "web"}
)

// cluster is an API server with a ServiceExport shop/web, and the exporter that works on it.
type cluster struct {
	leadership *leadership
	server     client.Reader // nil for one that the cache is equal to
	t          *testing.T
	client     client.Client
	recorder   *events.FakeRecorder
	exporter   *exporter
	writes     int
	refuse     error     // what the next writes of a status fail with
	since      time.Time // of the CRD of ServiceExports, zero while that is gone
	mute       error     // why the CRD cannot be read
	asked      []time.Time
	returned   chan struct{}
	policy     federation.Namespaces
	stance     func() (Stance, <-chan struct{})           // nil for Speaks
	drain      func() (federation.Drain, <-chan struct{}) // nil for none
	auto       *AutoRules
	nodes      *Nodes // nil for none
}

// Since and Returned make a cluster the Definition of its exporter.
func (c *cluster) Since(_ context.Context, seen time.Time) (time.Time, error) {
	c.asked = append(c.asked, seen)
	return c.since, c.mute
}

func (c *cluster) Returned() <-chan struct{} { return c.returned }

func (c *cluster) config(store *federation.Store) Config {
	restored := make(chan struct{})
	close(restored)
	return Config{
		Store: store, Restored: restored, Policy: c.policy, Definition: c, Log: slog.New(slog.DiscardHandler),
		Lead: c.leadership.Lead, TakeTerm: c.leadership.TakeTerm, Stance: c.stance, Drain: c.drain, Auto: c.auto, Nodes: c.nodes,
	}
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, discoveryv1.AddToScheme, mcsv1beta1.Install} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	c := &cluster{t: t, leadership: newLeadership(true), since: time.Unix(800_000_000, 0), returned: make(chan struct{})}
	export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "web", Generation: 1, CreationTimestamp: metav1.Unix(900_000_000, 0), UID: "uid-1",
	}}
	c.client = fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(append(objects, export)...).
		WithStatusSubresource(export).
		WithIndex(&discoveryv1.EndpointSlice{}, byService, servicesIn).
		WithInterceptorFuncs(interceptor.Funcs{SubResourceApply: c.apply}).
		Build()
	c.start()
	return c
}

// start runs a new exporter, as after a restart that remembers those exports, until the test ends.
func (c *cluster) start(restored ...*federation.Export) {
	c.t.Helper()
	store := federation.NewStore("own")
	if len(restored) > 0 {
		store.Restore("own", restored)
	}
	c.recorder = events.NewFakeRecorder(100)
	c.exporter = newExporter(c.config(store), c.client, c.live(), c.recorder)
	c.writes, c.asked = 0, nil
	ctx, stop := context.WithCancel(c.t.Context())
	done := make(chan error, 1)
	go func(x *exporter) { done <- x.Start(ctx) }(c.exporter)
	c.t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			c.t.Error(err)
		}
	})
	c.announced()
}

// live is the API server behind the cache, which may know more.
func (c *cluster) live() client.Reader {
	if c.server != nil {
		return c.server
	}
	return c.client
}

// announced waits until the cluster is announced in the stint that it leads in.
func (c *cluster) announced() {
	c.t.Helper()
	_, done, err := c.exporter.lead(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	done()
}

// apply holds each write of a status to the promise that what it calls exported is in the Store.
func (c *cluster) apply(ctx context.Context, inner client.Client, sub string, config runtime.ApplyConfiguration, options ...client.SubResourceApplyOption) error {
	if c.refuse != nil {
		return c.refuse
	}
	c.writes++
	status := config.(*exportConfig).Status
	if meta.IsStatusConditionTrue(status.Conditions, "Ready") && c.exporter.Store.Export("own", webName) == nil {
		c.t.Error("Ready=True is written before the record is in the Store")
	}
	return inner.SubResource(sub).Apply(ctx, config, options...)
}

func (c *cluster) join(peers ...federation.ClusterID) {
	c.t.Helper()
	for _, p := range peers {
		if err := federationtest.Say(c.exporter.Store, p, federation.Version{Term: 1, Seq: 1}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// reconcile looks at shop/web, and returns when to look again.
func (c *cluster) reconcile() time.Duration {
	c.t.Helper()
	result, err := c.exporter.Reconcile(c.t.Context(), ctrl.Request{NamespacedName: webKey})
	if err != nil {
		c.t.Fatal(err)
	}
	return result.RequeueAfter
}

func (c *cluster) export() *mcsv1beta1.ServiceExport {
	c.t.Helper()
	var e mcsv1beta1.ServiceExport
	if err := c.client.Get(c.t.Context(), webKey, &e); err != nil {
		c.t.Fatal(err)
	}
	return &e
}

func (c *cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// expect compares what is said of shop/web: the ServiceExport's conditions, the Store's record, and the events
// since the last call.
func (c *cluster) expect(step string, exported bool, conditions []string, notices ...string) {
	c.t.Helper()
	if got := c.exporter.Store.Export("own", webName) != nil; got != exported {
		c.t.Errorf("%s: in the Store %t, want %t", step, got, exported)
	}
	if conditions != nil {
		var got []string
		for _, condition := range c.export().Status.Conditions {
			got = append(got, fmt.Sprintf("%s=%s/%s@%d", condition.Type, condition.Status, condition.Reason, condition.ObservedGeneration))
		}
		if !slices.Equal(got, conditions) {
			c.t.Errorf("%s: conditions %q, want %q", step, got, conditions)
		}
	}
	var got []string
	for len(c.recorder.Events) > 0 {
		got = append(got, <-c.recorder.Events)
	}
	if !slices.Equal(got, notices) {
		c.t.Errorf("%s: events %q, want %q", step, got, notices)
	}
}

func webService() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.96.0.1", SessionAffinity: corev1.ServiceAffinityNone,
			Ports: []corev1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}},
		},
	}
}
