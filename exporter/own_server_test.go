package exporter

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// ownScene is an API server without the MCS API, so that nothing in it is exported, and what is said of the Services in
// namespace shop.
type ownScene struct {
	*testing.T
	client client.Client
	told   chan string
}

// said writes down what was said of a Service.
func (s *ownScene) said(name federation.ServiceName, e *federation.Export) {
	switch {
	case name.Namespace != "shop":
	case e == nil:
		s.told <- name.Name + " is none"
	default:
		s.told <- fmt.Sprintf("%s at %v", name.Name, addresses(e))
	}
}

// expect waits for what is said next.
func (s *ownScene) expect(step, want string) {
	s.Helper()
	select {
	case got := <-s.told:
		if got != want {
			s.Fatalf("%s: said that %q, want %q", step, got, want)
		}
	case <-time.After(time.Minute):
		s.Fatalf("%s: nothing is said, want %q", step, want)
	}
}

func (s *ownScene) create(objects ...client.Object) {
	s.Helper()
	for _, o := range objects {
		s.must(s.client.Create(s.Context(), o))
	}
}

func (s *ownScene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func ownService(name string) *corev1.Service {
	service := webService()
	service.Name, service.Spec.ClusterIP = name, ""
	return service
}

func ownSlice(service, name, address string) *discoveryv1.EndpointSlice {
	slice := webSlice(address)
	slice.Name, slice.Labels[discoveryv1.LabelServiceName] = name, service
	return slice
}

// run runs AddOwn on an agent of which another one leads, until the test ends.
func (s *ownScene) run(api *rest.Config) (known <-chan struct{}) {
	s.Helper()
	now, seconds, other := metav1.NowMicro(), int32(3600), "another agent"
	s.create(&coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "lead"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &other, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	})
	mgr, err := ctrl.NewManager(api, ctrl.Options{
		Logger: logr.Discard(), Metrics: server.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: new(true)},
		LeaderElection: true, LeaderElectionNamespace: "default", LeaderElectionID: "lead",
	})
	s.must(err)
	ctx, stop := context.WithCancel(s.Context())
	s.must(indexSlices(ctx, mgr.GetFieldIndexer()))
	known, err = AddOwn(mgr, OwnConfig{Cluster: "east", Say: s.said})
	s.must(err)
	s.start(ctx, stop, mgr)
	return known
}

// start runs a manager until stop is called, which is when the test ends.
func (s *ownScene) start(ctx context.Context, stop func(), mgr ctrl.Manager) {
	var done sync.WaitGroup
	done.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			s.Error(err)
		}
	})
	s.Cleanup(func() { stop(); done.Wait() })
}

// Whatever is exported, and whoever leads: each Service is said once as it is, and again when what clients see of it is
// something else.
func TestOwnServicesOnAnAPIServer(t *testing.T) {
	api := labtest.Start(t, lab.Config{Clusters: []string{"east"}}).Cluster("east").RESTConfig()
	s := &ownScene{T: t, told: make(chan string, 1000)}
	var err error
	s.client, err = client.New(api, client.Options{Scheme: scheme.Scheme})
	s.must(err)
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	var want []string
	for n := range 30 {
		name, address := fmt.Sprintf("old-%02d", n), fmt.Sprintf("10.1.0.%d", n)
		s.create(ownService(name), ownSlice(name, name, address))
		want = append(want, fmt.Sprintf("%s at [%s]", name, address))
	}
	external, derived := ownService("external"), ownService("derived-web")
	external.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"}
	derived.Labels = map[string]string{mcsv1beta1.LabelServiceName: "web"}
	s.create(external, derived)

	select {
	case <-s.run(api):
	case <-time.After(time.Minute):
		t.Fatal("nothing is known")
	}
	var got []string
	for range len(s.told) {
		got = append(got, <-s.told)
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("known, when this is said: %q\nwant %q", got, want)
	}
	s.live()
}

// live plays the life of one Service.
func (s *ownScene) live() {
	web, slice := ownService("web"), ownSlice("web", "web-1", "10.2.0.1")
	s.create(web)
	s.expect("a Service", "web at []")
	s.create(slice)
	s.expect("an endpoint", "web at [10.2.0.1]")

	imported := ownSlice("web", "web-2", "10.3.0.1")
	imported.Labels[mcsv1beta1.LabelSourceCluster] = "west"
	web.Annotations, slice.Annotations = map[string]string{"note": "x"}, map[string]string{"note": "x"}
	s.create(imported)
	s.must(s.client.Update(s.Context(), web))
	s.must(s.client.Update(s.Context(), slice))
	slice.Endpoints[0].Addresses[0] = "10.2.0.2"
	s.must(s.client.Update(s.Context(), slice))
	s.expect("an endpoint moves, and what is no concern of clients changes too", "web at [10.2.0.2]")

	web.Spec = corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "example.org"}
	s.must(s.client.Update(s.Context(), web))
	s.expect("it becomes another's name", "web is none")
	s.must(s.client.Delete(s.Context(), web))
	web = ownService("web")
	s.create(web)
	s.expect("it comes back", "web at [10.2.0.2]")
	s.must(s.client.Delete(s.Context(), slice))
	s.expect("its endpoint goes", "web at []")
	s.must(s.client.Delete(s.Context(), web))
	s.expect("it goes", "web is none")
	s.create(ownService("last"))
	s.expect("all was said", "last at []")
}
