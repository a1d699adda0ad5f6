package exports

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// shop is namespace shop of a real API server, as a person and as the agents see it.
type shop struct {
	t *testing.T
	client.WithWatch
	exports, all *Exports
}

func newShop(t *testing.T) *shop {
	t.Helper()
	config := labtest.Start(t, lab.Config{Clusters: []string{"east"}}).Cluster("east").RESTConfig()
	scheme := runtime.NewScheme()
	s := &shop{t: t}
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, apiextensionsv1.AddToScheme, mcsv1beta1.Install} {
		s.must(add(scheme))
	}
	var err error
	s.WithWatch, err = client.NewWithWatch(config, client.Options{Scheme: scheme})
	s.must(err)
	s.must(clusterset.InstallCRD(t.Context(), s, "serviceexports.multicluster.x-k8s.io"))
	s.must(s.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}))
	s.exports, err = New(config, "east", "shop")
	s.must(err)
	s.all, err = New(config, "east", "")
	s.must(err)
	return s
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) service(name string) {
	s.t.Helper()
	s.must(s.Create(s.t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}))
}

func exportOf(name string, labels map[string]string) *mcsv1beta1.ServiceExport {
	return &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: labels}}
}

var mark = map[string]string{exporter.AutoLabel: exporter.AutoMark}

// expect says whether a Service is opted out, and whose its ServiceExport is.
func (s *shop) expect(name, annotation, whose string) {
	s.t.Helper()
	var service corev1.Service
	if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, &service); client.IgnoreNotFound(err) != nil {
		s.t.Fatal(err)
	}
	got := "auto"
	var export mcsv1beta1.ServiceExport
	err := s.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, &export)
	switch {
	case apierrors.IsNotFound(err):
		got = "none"
	case err != nil:
		s.t.Fatal(err)
	case !exporter.ByAuto(&export):
		got = "hand"
	}
	if is := service.Annotations[exporter.AutoAnnotation]; is != annotation || got != whose {
		s.t.Errorf("%s is annotated with %q, its ServiceExport is of %s: want %q and %s", name, is, got, annotation, whose)
	}
}

// Who exports what auto-export exported owns it from then on; and all that auto-export decides on is found.
func TestOwningWhatAutoExportMade(t *testing.T) {
	s := newShop(t)
	s.service("web")
	s.must(s.Create(t.Context(), exportOf("web", mark)))
	var told []string
	_, err := s.exports.Apply(t.Context(), "web", []string{"west"}, func(line string) { told = append(told, line) })
	s.must(err)
	s.expect("web", "", "hand")
	if !slices.Equal(told, []string{"auto-export made the ServiceExport of shop/web; it is yours from now on"}) {
		t.Errorf("told %q", told)
	}
	for what, x := range map[string]*Exports{"shop": s.exports, "all": s.all} {
		all, err := x.All(t.Context())
		s.must(err)
		services, namespaces := 1, 1
		if what == "all" {
			services, namespaces = 2, len(all.Namespaces) // default/kubernetes
		}
		if len(all.Services) != services || len(all.Namespaces) != namespaces || len(all.Exports) != 1 || all.Exports[0].Annotations[exporter.ConsumersAnnotation] != "west" {
			t.Errorf("of %s: %d Services, %d namespaces, ServiceExports %+v", what, len(all.Services), len(all.Namespaces), all.Exports)
		}
		if what == "all" && namespaces < 2 {
			t.Errorf("%d namespaces", namespaces)
		}
	}
}
