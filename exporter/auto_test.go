package exporter

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// scene is what auto-export decides on.
type scene struct {
	rules     AutoRules
	namespace *corev1.Namespace
	service   *corev1.Service
}

func selector(t *testing.T, text string) labels.Selector {
	t.Helper()
	s, err := labels.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rulesOf(t *testing.T, patterns ...string) AutoRules {
	t.Helper()
	l, err := ParseLocals("cluster.local", "hansa-system", patterns)
	if err != nil {
		t.Fatal(err)
	}
	return AutoRules{Locals: l}
}

func shopNamespace() *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}
}

func exportOfWeb(labels map[string]string) *mcsv1beta1.ServiceExport {
	return &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: labels}}
}

func annotated(value string) map[string]string { return map[string]string{AutoAnnotation: value} }

// Each rule leaves a Service out, says why, and takes back what auto-export made; what a person made stays in each case.
func TestWhatAutoExportLeavesOut(t *testing.T) {
	rule.Covers(t, "E1", "E6", "E10")
	ends := metav1.NewTime(time.Unix(900_000_000, 0))
	for _, c := range []struct {
		what   string
		change func(t *testing.T, s *scene)
		why    string // "" for what is exported
	}{
		{"nothing", func(*testing.T, *scene) {}, ""},
		{"the Service went", func(_ *testing.T, s *scene) { s.service = nil }, "there is no Service of that name"},
		{"ExternalName", func(_ *testing.T, s *scene) { s.service.Spec.Type = corev1.ServiceTypeExternalName }, "a Service of type ExternalName cannot be exported"},
		{"derived", func(_ *testing.T, s *scene) {
			s.service.Labels = map[string]string{mcsv1beta1.LabelServiceName: "web"}
		}, "stands for an imported Service"},
		{"stays by default", func(_ *testing.T, s *scene) {
			s.service.Namespace, s.namespace.Name = "kube-system", "kube-system"
		}, "stays in this cluster by default (unless --cluster-local *.kube-*.svc.cluster.local=false)"},
		{"stays by a pattern", func(t *testing.T, s *scene) { s.rules = rulesOf(t, "web.shop.svc.cluster.local=true") }, "stays in this cluster by --cluster-local web.shop.svc.cluster.local"},
		{"all stay", func(t *testing.T, s *scene) { s.rules = rulesOf(t, "*.svc.cluster.local") }, "stays in this cluster by --cluster-local *.svc.cluster.local"},
		{"the policy denies", func(_ *testing.T, s *scene) {
			s.rules.Policy.Deny = []federation.NamespaceRule{{Cluster: "*", Namespace: "sh*"}}
		}, `namespace "shop" is denied by sh* of --export-deny-namespaces`},
		{"the policy allows others", func(_ *testing.T, s *scene) {
			s.rules.Policy.Allow = []federation.NamespaceRule{{Cluster: "*", Namespace: "bar"}}
		}, `namespace "shop" is not among those allowed by --export-namespaces`},
		{"the policy denies it to one cluster", func(_ *testing.T, s *scene) {
			s.rules.Policy.Deny = []federation.NamespaceRule{{Cluster: "west", Namespace: "shop"}}
		}, ""},
		{"the namespace selector matches", func(t *testing.T, s *scene) { s.rules.Namespaces = selector(t, "team in (a,b)") }, ""},
		{"the namespace selector does not", func(t *testing.T, s *scene) { s.rules.Namespaces = selector(t, "team=b") }, `the namespace's labels do not match the namespace selector "team=b"`},
		{"the Service selector matches", func(t *testing.T, s *scene) { s.rules.Services = selector(t, "!private") }, ""},
		{"the Service selector does not", func(t *testing.T, s *scene) { s.rules.Services = selector(t, "public") }, `its labels do not match the Service selector "public"`},
		{"the Service opts out", func(_ *testing.T, s *scene) { s.service.Annotations = annotated("false") }, "opted out by annotation hansa.dev/export of the Service"},
		{"the Service opts in", func(_ *testing.T, s *scene) { s.service.Annotations = annotated("true") }, ""},
		{"the Service's annotation cannot be read", func(_ *testing.T, s *scene) { s.service.Annotations = annotated("no") },
			`opted out by annotation hansa.dev/export "no" of the Service, as it cannot be read: want "true" or "false"`},
		{"the Service's annotation is empty", func(_ *testing.T, s *scene) { s.service.Annotations = annotated("") },
			`opted out by annotation hansa.dev/export "" of the Service, as it cannot be read: want "true" or "false"`},
		{"the namespace opts out", func(_ *testing.T, s *scene) { s.namespace.Annotations = annotated("false") }, "opted out by annotation hansa.dev/export of the namespace"},
		{"the namespace opts in", func(_ *testing.T, s *scene) { s.namespace.Annotations = annotated("true") }, ""},
		{"the namespace's annotation cannot be read", func(_ *testing.T, s *scene) { s.namespace.Annotations = annotated("False") },
			`opted out by annotation hansa.dev/export "False" of the namespace, as it cannot be read: want "true" or "false"`},
		{"the Service goes before its namespace", func(_ *testing.T, s *scene) {
			s.service.Annotations, s.namespace.Annotations = annotated("true"), annotated("false")
		}, ""},
		{"the Service goes before its namespace, out", func(_ *testing.T, s *scene) {
			s.service.Annotations, s.namespace.Annotations = annotated("false"), annotated("true")
		}, "opted out by annotation hansa.dev/export of the Service"},
		{"the namespace goes", func(_ *testing.T, s *scene) { s.namespace.DeletionTimestamp = &ends }, "its namespace is being deleted"},
		{"the Service goes", func(_ *testing.T, s *scene) { s.service.DeletionTimestamp = &ends }, "is being deleted"},
	} {
		t.Run(c.what, func(t *testing.T) {
			s := scene{rulesOf(t), shopNamespace(), webService()}
			c.change(t, &s)
			none, marked := AutoDecision{AutoCreate, "no rule leaves it out"}, AutoDecision{AutoNothing, "exported by auto-export"}
			if c.why != "" {
				none, marked = AutoDecision{AutoNothing, c.why}, AutoDecision{AutoDelete, c.why}
			}
			s.expect(t, "without a ServiceExport", nil, none)
			s.expect(t, "with one by auto-export", exportOfWeb(map[string]string{AutoLabel: "true"}), marked)
			byHand := AutoDecision{AutoNothing, "exported by hand"}
			s.expect(t, "with one by hand", exportOfWeb(nil), byHand)
			s.expect(t, "with one whose mark was changed", exportOfWeb(map[string]string{AutoLabel: "false"}), byHand)
			going := exportOfWeb(map[string]string{AutoLabel: "true"})
			going.DeletionTimestamp = &ends
			s.expect(t, "with one that is being deleted", going, AutoDecision{AutoNothing, "its ServiceExport is being deleted"})
			s.namespace = nil
			s.expect(t, "before its namespace is known", exportOfWeb(map[string]string{AutoLabel: "true"}), AutoDecision{AutoNothing, "its namespace is not known"})
		})
	}
}

func (s scene) expect(t *testing.T, step string, export *mcsv1beta1.ServiceExport, want AutoDecision) {
	t.Helper()
	if got := s.rules.Decide(s.namespace, s.service, export); got != want {
		t.Errorf("%s: %s: %s, want %s: %s", step, got.Action, got.Why, want.Action, want.Why)
	}
}
