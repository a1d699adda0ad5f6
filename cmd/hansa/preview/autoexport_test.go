package preview

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// How the gate stands is told, and what that means; an agent that tells of no such gate makes nothing.
func TestStandingOfAutoExport(t *testing.T) {
	const off = "MCSAutoExport is off: nothing is made until hansa features set MCSAutoExport=true"
	for want, gates := range map[string][][]report.Gate{
		off:                   {nil, {{Name: "MCSServiceDiscovery", On: true}}, {{Name: "MCSHost", On: true}, {Name: "MCSAutoExport"}}},
		"MCSAutoExport is on": {{{Name: "MCSAutoExport", On: true}}},
		"MCSAutoExport is on, but idle as MCSServiceDiscovery is off: nothing is made or deleted meanwhile": {{{Name: "MCSAutoExport", On: true, Idle: "MCSServiceDiscovery is off"}}},
	} {
		for _, g := range gates {
			a := AutoScene{Gates: g}.Preview()
			if got := a.Standing(); got != want || a.On != (want != off) {
				t.Errorf("of %+v: on is %t, %s\nwant %s", g, a.On, got, want)
			}
		}
	}
}

// All names are listed in order, those of ServiceExports without a Service too, and what is to do is counted.
func TestAutoPreview(t *testing.T) {
	rule.Covers(t, "E10")
	locals, err := exporter.ParseLocals("cluster.local", "hansa-system", nil)
	if err != nil {
		t.Fatal(err)
	}
	selector, err := labels.Parse("team")
	if err != nil {
		t.Fatal(err)
	}
	meta := func(namespace, name string, labels map[string]string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}
	}
	mark := map[string]string{exporter.AutoLabel: exporter.AutoMark}
	got := AutoScene{
		Rules:      exporter.AutoRules{Namespaces: selector, Locals: locals},
		Namespaces: []corev1.Namespace{{ObjectMeta: meta("", "shop", map[string]string{"team": "a"})}, {ObjectMeta: meta("", "bar", nil)}, {ObjectMeta: meta("", "kube-system", nil)}},
		Services: []corev1.Service{
			{ObjectMeta: meta("shop", "web", nil)}, {ObjectMeta: meta("shop", "made", nil)}, {ObjectMeta: meta("shop", "api", nil)},
			{ObjectMeta: meta("shop", "mine", nil)}, {ObjectMeta: meta("bar", "tap", nil)}, {ObjectMeta: meta("kube-system", "dns", nil)}, {ObjectMeta: meta("new", "x", nil)},
		},
		Exports: []mcsv1beta1.ServiceExport{
			{ObjectMeta: meta("shop", "made", mark)}, {ObjectMeta: meta("shop", "mine", nil)}, {ObjectMeta: meta("shop", "old", mark)}, {ObjectMeta: meta("bar", "tap", mark)},
		},
	}.Preview()
	const unmatched = `the namespace's labels do not match the namespace selector "team"`
	want := &Auto{Create: 2, Delete: 2, Services: []AutoService{
		{"bar", "tap", exporter.AutoDelete, unmatched},
		{"kube-system", "dns", exporter.AutoNothing, "stays in this cluster by default (unless --cluster-local *.kube-*.svc.cluster.local=false)"},
		{"new", "x", exporter.AutoNothing, "its namespace is not known"},
		{"shop", "api", exporter.AutoCreate, "no rule leaves it out"},
		{"shop", "made", exporter.AutoNothing, "exported by auto-export"},
		{"shop", "mine", exporter.AutoNothing, "exported by hand"},
		{"shop", "old", exporter.AutoDelete, "there is no Service of that name"},
		{"shop", "web", exporter.AutoCreate, "no rule leaves it out"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}
