package integration

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// wishes are what the owner of web wishes in turn, by the annotations of its oldest ServiceExport, and who answers then. All
// but neighbour and near-2 are endpoints.
var wishes = []struct {
	prefer, weights any // texts; nil for none
	answer          []string
}{
	{nil, nil, []string{"near"}},
	{"east,any", nil, []string{"abroad"}},
	{"east,any", "east=0", []string{"near", "home"}},
	{"any", "west=0", []string{"abroad"}},
	{"any", "west=300,east=100", []string{"near", "home", "abroad"}},
	{"same-cluster", "east=0", []string{"near", "home"}},
	{nil, nil, []string{"near"}},
}

// steer tells all the wishes while the loads use web, of which no request may fail.
func (s *xdsScene) steer(loads []*xdsLoad) {
	s.t.Helper()
	defer s.annotate("east", map[string]any{"hansa.dev/prefer": nil, "hansa.dev/weights": nil})
	for _, w := range wishes {
		s.annotate("east", map[string]any{"hansa.dev/prefer": w.prefer, "hansa.dev/weights": w.weights})
		for _, l := range loads {
			l.settle(w.answer...)
		}
	}
}

// annotate gives the ServiceExport of web annotations; nil takes one away.
func (s *xdsScene) annotate(cluster string, annotations map[string]any) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		s.t.Fatal(err)
	}
	export := &mcsv1beta1.ServiceExport{}
	export.Namespace, export.Name = "shop", "web"
	if err := s.Member(cluster).Client.Patch(s.t.Context(), export, client.RawPatch(types.MergePatchType, patch)); err != nil {
		s.t.Fatalf("annotating the ServiceExport of web in %s: %v", cluster, err)
	}
}
