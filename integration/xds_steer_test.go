package integration

import (
	"encoding/json"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
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

// drainOver is how long the cluster of near and home is drained.
const drainOver = 10 * time.Second

// drain drains the cluster of near and home while the loads use web, of which no request may fail: they lose it little by
// little, and get it back at once.
func (s *xdsScene) drain(loads []*xdsLoad) {
	s.t.Helper()
	s.annotateState("west", map[string]any{state.DrainAnnotation: nil})
	for _, l := range loads {
		l.settle("near")
	}
	before := make([]int, len(loads))
	for i, l := range loads {
		answers, _ := l.heard(0)
		before[i] = len(answers)
	}
	drains := state.Drains{"west": {Since: time.Now().Truncate(time.Second), Over: drainOver}}
	s.annotateState("west", map[string]any{state.DrainAnnotation: drains.String()})
	for i, l := range loads {
		l.settle("abroad")
		answers, _ := l.heard(before[i])
		first, last := slices.Index(answers, "abroad"), lastIndex(answers, "near")
		if last < first+settled {
			s.t.Errorf("%s: of %d answers the first abroad is %d, the last near is %d: it was drained all at once", l.name, len(answers), first, last)
		}
	}
	s.annotateState("west", map[string]any{state.DrainAnnotation: nil})
	for _, l := range loads {
		l.settle("near")
	}
}

func lastIndex(answers []string, name string) int {
	for i, answer := range slices.Backward(answers) {
		if answer == name {
			return i
		}
	}
	return -1
}

// annotateState gives the ConfigMap of a cluster's agents annotations; nil takes one away.
func (s *xdsScene) annotateState(cluster string, annotations map[string]any) {
	s.t.Helper()
	cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: agent.Defaults().Namespace, Name: state.DefaultName}}
	s.patch(cluster, cm, annotations)
}

// annotate gives the ServiceExport of web annotations; nil takes one away.
func (s *xdsScene) annotate(cluster string, annotations map[string]any) {
	s.t.Helper()
	export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	s.patch(cluster, export, annotations)
}

func (s *xdsScene) patch(cluster string, o client.Object, annotations map[string]any) {
	s.t.Helper()
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.Member(cluster).Client.Patch(s.t.Context(), o, client.RawPatch(types.MergePatchType, patch)); err != nil {
		s.t.Fatalf("annotating %T %s in %s: %v", o, o.GetName(), cluster, err)
	}
}
