package integration

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// patience is how long a story waits for what must come: long, so that only what never comes fails.
const patience = time.Minute

// story is a whole clusterset whose agents run in this process, under the race detector.
type story struct {
	*clusterset.Clusterset
	t *testing.T
}

func tell(t *testing.T, clusters ...string) *story {
	t.Helper()
	set, err := clusterset.Start(t.Context(), clusterset.Config{Clusters: clusters, InProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	return &story{set, t}
}

func (s *story) create(cluster string, objects ...client.Object) {
	s.t.Helper()
	for _, o := range objects {
		if err := s.Member(cluster).Client.Create(s.t.Context(), o); err != nil {
			s.t.Fatalf("%s: creating %T %s: %v", cluster, o, o.GetName(), err)
		}
	}
}

func (s *story) delete(cluster string, o client.Object) {
	s.t.Helper()
	if err := s.Member(cluster).Client.Delete(s.t.Context(), o); err != nil {
		s.t.Fatalf("%s: deleting %T %s: %v", cluster, o, o.GetName(), err)
	}
}

// await waits until an object of the list's kind in namespace shop is as wanted.
func await[T client.Object](s *story, cluster, what string, list client.ObjectList, want func(T) bool) T {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	o, err := clusterset.Await(ctx, s.Member(cluster).Client, list, want, client.InNamespace("shop"))
	if err != nil {
		s.t.Fatalf("%s: waiting for %s: %v", cluster, what, err)
	}
	return o
}

// awaitImport waits for a ServiceImport with addresses, of just those clusters.
func (s *story) awaitImport(cluster, name string, from ...string) *mcsv1beta1.ServiceImport {
	s.t.Helper()
	return await(s, cluster, fmt.Sprintf("ServiceImport %s of %v", name, from), &mcsv1beta1.ServiceImportList{}, func(si *mcsv1beta1.ServiceImport) bool {
		var clusters []string
		for _, c := range si.Status.Clusters {
			clusters = append(clusters, c.Cluster)
		}
		usable := si.Spec.Type == mcsv1beta1.Headless || len(si.Spec.IPs) > 0
		return si.Name == name && usable && slices.Equal(clusters, from)
	})
}

// awaitGone waits until nothing that an agent made for a service is left, but for an address that rests.
func (s *story) awaitGone(cluster, name string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if err := s.Member(cluster).AwaitWithdrawn(ctx, "shop", name); err != nil {
		s.t.Fatalf("%s: %v", cluster, err)
	}
}

// resolves checks what a member's DNS answers for the A records of a service.
func (s *story) resolves(cluster, name, rcode string, records ...string) {
	s.t.Helper()
	host := name + ".shop.svc.clusterset.local"
	got, err := probe.Query(s.t.Context(), s.Member(cluster).DNS, host, "A")
	if err != nil || got.Rcode != rcode || !slices.Equal(got.Records, records) {
		s.t.Errorf("%s: DNS answers %v for %s, want %s %v (%v)", cluster, got, host, rcode, records, err)
	}
}

// awaitAssigned waits until xDS of a member assigns just those addresses to port 80 of a service.
func (s *story) awaitAssigned(cluster, name string, want ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ads, err := probe.OpenAssignment(ctx, s.Member(cluster).XDS, name+".shop.svc.clusterset.local", 80)
	if err != nil {
		s.t.Fatal(err)
	}
	defer ads.Close()
	var expected []netip.AddrPort
	for _, w := range want {
		expected = append(expected, netip.MustParseAddrPort(w))
	}
	for {
		got, err := ads.NextAssignment()
		if err != nil {
			s.t.Fatalf("%s: waiting for the assignment %v of %s: %v", cluster, want, name, err)
		}
		if slices.Equal(got, expected) {
			return
		}
	}
}

// unlisted checks that a member's xDS has no listener for port 80 of a service.
func (s *story) unlisted(cluster, name string) {
	s.t.Helper()
	n, err := probe.Listeners(s.t.Context(), s.Member(cluster).XDS, name+".shop.svc.clusterset.local:80")
	if err != nil || n != 0 {
		s.t.Errorf("%s: xDS has %d listeners for %s (%v), want none", cluster, n, name, err)
	}
}

// awaitCondition waits until a ServiceExport has a condition with that status and reason.
func (s *story) awaitCondition(cluster, name string, kind mcsv1beta1.ServiceExportConditionType, status metav1.ConditionStatus, reason mcsv1beta1.ServiceExportConditionReason) {
	s.t.Helper()
	await(s, cluster, fmt.Sprintf("%s=%s/%s on ServiceExport %s", kind, status, reason, name), &mcsv1beta1.ServiceExportList{}, func(e *mcsv1beta1.ServiceExport) bool {
		c := meta.FindStatusCondition(e.Status.Conditions, string(kind))
		return e.Name == name && c != nil && c.Status == status && c.Reason == string(reason)
	})
}

func namespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}
}

func exportOf(name string) *mcsv1beta1.ServiceExport {
	return &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
}

// service has port 80, named http.
func service(name string, change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func headless(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }

// slice has ready endpoints of a service that serve http at 8080.
func slice(service, name string, addresses ...string) *discoveryv1.EndpointSlice {
	s := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: new("http"), Port: new(int32(8080))}},
	}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
	}
	return s
}
