package exporter

import (
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

func TestWhichServicesHaveAHostOfThisCluster(t *testing.T) {
	for what, tt := range map[string]struct {
		change func(*corev1.Service)
		want   bool
	}{
		"a ClusterIP": {func(*corev1.Service) {}, true},
		"headless":    {func(s *corev1.Service) { s.Spec.ClusterIP = corev1.ClusterIPNone }, true},
		"a NodePort":  {func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, true},
		"an ExternalName": {func(s *corev1.Service) {
			s.Spec.Type, s.Spec.ExternalName, s.Spec.ClusterIP = corev1.ServiceTypeExternalName, "example.org", ""
		}, false},
		"one that stands for an imported one": {func(s *corev1.Service) { s.Labels = map[string]string{mcsv1beta1.LabelServiceName: "web"} }, false},
		"a name that is no DNS label":         {func(s *corev1.Service) { s.Name = "Web.2" }, false},
		"one without a port": {func(s *corev1.Service) {
			s.Spec.ClusterIP, s.Spec.Ports = corev1.ClusterIPNone, nil
		}, true},
	} {
		service := webService()
		tt.change(service)
		e := DescribeOwn("own", service, []*discoveryv1.EndpointSlice{webSlice("10.1.0.1")}, nil)
		if (e != nil) != tt.want {
			t.Errorf("%s: %+v, want a host: %t", what, e, tt.want)
		}
		if e != nil && (e.Cluster != "own" || e.Name != nameOf(service)) {
			t.Errorf("%s: %s of %s", what, e.Name, e.Cluster)
		}
	}
}

func TestImportedEndpointsAreNotOwn(t *testing.T) {
	one, other, ours := webSlice("10.1.0.1"), webSlice("10.1.0.2"), webSlice("10.1.0.3")
	other.Labels[mcsv1beta1.LabelSourceCluster] = "west"
	ours.Labels[discoveryv1.LabelManagedBy] = ourSlices
	e := DescribeOwn("own", webService(), []*discoveryv1.EndpointSlice{one, other, ours}, nil)
	if got := addresses(e); !slices.Equal(got, []string{"10.1.0.1"}) {
		t.Errorf("endpoints %q, want that of this cluster alone", got)
	}
}

// addresses returns those of all endpoints.
func addresses(e *federation.Export) []string {
	var list []string
	for _, s := range e.Subsets {
		for _, ep := range s.Endpoints {
			list = append(list, ep.Address.String())
		}
	}
	return list
}

// TestAServiceIsTheSameExportedOrNot: clients that dial it under either name are told the same ports and endpoints.
func TestAServiceIsTheSameExportedOrNot(t *testing.T) {
	compared := 0
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 5))
		service, endpoints := randomService(r), randomSlices(r)
		service.Namespace, service.Name = "shop", "web"
		export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", CreationTimestamp: metav1.Unix(1, 0)}}
		own := DescribeOwn("own", service, endpoints, wild)
		exported, _ := Describe("own", federation.Namespaces{}, export, service, endpoints, wild, nil)
		if exported == nil {
			continue
		}
		if own == nil {
			t.Fatalf("seed %d: exported, and has no host here", seed)
		}
		own.Created = exported.Created
		if !own.Equal(exported) {
			t.Fatalf("seed %d: own %+v\nexported %+v", seed, own, exported)
		}
		compared++
	}
	if compared < 100 {
		t.Errorf("%d of 2000 were exported: the objects are too wild to show anything", compared)
	}
}
