package exporter

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// annotate sets an annotation of the ServiceExport, or with "-" takes it away, and reconciles.
func (c *cluster) annotate(key, value string) {
	c.t.Helper()
	e := c.export()
	if e.Annotations == nil {
		e.Annotations = map[string]string{}
	}
	if e.Annotations[key] = value; value == "-" {
		delete(e.Annotations, key)
	}
	c.must(c.client.Update(c.t.Context(), e))
	c.reconcile()
}

func (c *cluster) consumers() []string {
	if e := c.exporter.Store.Export("own", webName); e != nil {
		return e.Consumers
	}
	return []string{"nobody"}
}

func (c *cluster) ready() string {
	c.t.Helper()
	return meta.FindStatusCondition(c.export().Status.Conditions, "Ready").Message
}

// Who may see a service changes with the annotation and is told; a list that cannot be read leaves the former
// one, and lets nobody see what nobody saw.
func TestTheAnnotationsAreObeyedAsTheyChange(t *testing.T) {
	rule.Covers(t, "E1", "#31")
	const bad = `annotation hansa.dev/consumers "west,,": want cluster IDs, or globs such as eu-*, separated by commas; "" is neither; `
	c := newCluster(t)
	c.annotate(ConsumersAnnotation, "west,,")
	c.must(c.client.Create(t.Context(), webService()))
	c.join("west", "eu-1", "north")
	for _, step := range []struct{ value, sees, ready string }{
		{"west,,", "nobody", bad + "nothing is exported"},
		{"west", "west", `offered to 1 of 3 other clusters of the clusterset (west): those that "west" names`},
		{"west,,", "west", bad + `meanwhile the former list "west" holds, and endpoints follow`},
		{"west, eu-*", "eu-*", `offered to 2 of 3 other clusters of the clusterset (eu-1, west): those that "eu-*,west" names`},
		{"mars", "mars", `offered to 0 of 3 other clusters of the clusterset: those that "mars" names; "mars" of annotation hansa.dev/consumers names none of them (eu-1, north, west)`},
		{"-", "", "offered to 3 other clusters of the clusterset"},
	} {
		c.annotate(ConsumersAnnotation, step.value)
		first := ""
		if list := c.consumers(); len(list) > 0 {
			first = list[0]
		}
		if first != step.sees || c.ready() != step.ready {
			t.Errorf("%q: %q sees it; %s", step.value, first, c.ready())
		}
	}
	before := c.exporter.version()
	c.annotate(demoteAnnotation, "1m")
	c.annotate(withdrawAnnotation, "30s")
	if q := c.exporter.said(webName).Quiet; q.Demote.After.Minutes() != 1 || q.Withdraw.Given || c.exporter.version().Seq != before.Seq+1 {
		t.Errorf("it says %+v at %s", q, c.exporter.version())
	}
	c.annotate(withdrawAnnotation, "0")
	if q := c.exporter.said(webName).Quiet; !q.Withdraw.Given || q.Withdraw.After != 0 {
		t.Errorf("it says %+v", q)
	}
}

// While an annotation cannot be read, endpoints come and go, and a list of consumers that can be read takes effect; and
// that is said once.
func TestEndpointsFollowWhileAnAnnotationCannotBeRead(t *testing.T) {
	rule.Covers(t, "E1", "#31")
	c := newCluster(t, webService())
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: new("http"), Protocol: new(corev1.ProtocolTCP), Port: new(int32(8080))}},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}}},
	}
	c.must(c.client.Create(t.Context(), slice))
	c.annotate(demoteAnnotation, "1m")
	c.annotate(ConsumersAnnotation, "west, eu-*")
	c.annotate(demoteAnnotation, "soon")
	writes := c.writes
	for _, address := range []string{"10.1.0.2", "10.1.0.3"} {
		slice.Endpoints[0].Addresses[0] = address
		c.must(c.client.Update(t.Context(), slice))
		c.reconcile()
		e := c.exporter.said(webName)
		if len(e.Subsets) != 1 || len(e.Subsets[0].Endpoints) != 1 || e.Subsets[0].Endpoints[0].Address.String() != address || e.Quiet.Demote.After != time.Minute {
			t.Errorf("%s: it says %+v", address, e)
		}
	}
	if c.writes != writes {
		t.Errorf("%d writes of the same status", c.writes-writes)
	}
	c.annotate(ConsumersAnnotation, "west")
	if got := c.consumers(); !slices.Equal(got, []string{"west"}) {
		t.Errorf("%q see it beside a time that cannot be read", got)
	}
	const want = `annotation hansa.dev/demote-after "soon": want a duration in whole seconds such as 30s or 10m, at most 8760h; ` +
		"meanwhile the former 1m0s of hansa.dev/demote-after holds, and endpoints follow"
	c.expect("in the end", true, []string{"Valid=True/Valid@1", "Ready=False/Failed@1"}, "Warning Failed "+want)
	c.annotate(demoteAnnotation, "2m")
	c.expect("repaired", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"}, `Normal Exported announced for those that "west" names; no other cluster has joined yet`)
}

// A list takes effect though members would refuse the rest.
func TestAListIsObeyedWhateverElseIsWrong(t *testing.T) {
	rule.Covers(t, "E1", "E8")
	c := newCluster(t, webService())
	c.annotate(ConsumersAnnotation, "west, eu-*")
	export := c.export()
	export.Spec.ExportedLabels = map[string]string{"team": "-"}
	c.must(c.client.Update(t.Context(), export))
	c.annotate(ConsumersAnnotation, "west")
	if got := c.consumers(); !slices.Equal(got, []string{"west"}) {
		t.Errorf("%q see it", got)
	}
	c.expect("refused", true, []string{"Valid=True/Valid@1", "Ready=False/Failed@1"},
		`Warning Failed exportedLabels "team": value "-": `+labelGrammar+"; meanwhile it is exported without exportedLabels, and endpoints follow")
	service := webService()
	service.Spec.Ports[0].Port = 70000
	c.must(c.client.Update(t.Context(), service))
	c.reconcile()
	c.annotate(ConsumersAnnotation, "north")
	if got := c.consumers(); !slices.Equal(got, []string{"north"}) {
		t.Errorf("%q see it, of which no port can be announced", got)
	}
}

// After a restart a list that cannot be read leaves who was named before, of what is remembered.
func TestARestartDoesNotOpenWhatCannotBeRead(t *testing.T) {
	rule.Covers(t, "E1")
	c := newCluster(t, webService())
	c.annotate(ConsumersAnnotation, "west")
	last := c.exporter.said(webName)
	c.annotate(ConsumersAnnotation, "!")
	c.start(last)
	if got := c.consumers(); !slices.Equal(got, []string{"west"}) {
		t.Errorf("announced to %v", got)
	}
	c.start()
	if got := c.consumers(); !slices.Equal(got, []string{"nobody"}) {
		t.Errorf("announced to %v, of whom nothing is remembered", got)
	}
}

// What the policy closes is said no more from the next start on, whether its ServiceExport is there or went with the
// CRD, and whatever was said before.
func TestAPolicyEndsWhatWasExportedBefore(t *testing.T) {
	rule.Covers(t, "E1", "#31")
	c := newCluster(t, webService())
	c.reconcile()
	last := c.exporter.said(webName)
	lost := *last
	lost.Name.Name = "lost"
	c.since = time.Now()

	c.start(last, &lost)
	if e := c.exporter.said(lost.Name); e == nil {
		t.Fatal("what went with the CRD does not stand")
	}
	c.policy = policy(t, "", "sh*")
	c.start(last, &lost)
	if names := c.exporter.exported(); len(names) > 0 {
		t.Errorf("announced: %v", names)
	}
	c.reconcile()
	const want = `namespace "shop" is denied by sh* of --export-deny-namespaces; nothing is exported`
	c.expect("denied", false, []string{"Valid=True/Valid@1", "Ready=False/Failed@1"}, "Warning Failed "+want)

	c.policy = policy(t, "west=shop", "")
	c.start()
	c.join("west", "east")
	c.reconcile()
	c.expect("allowed to one", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"},
		"Normal Exported offered to 1 of 2 other clusters of the clusterset (west): those that the export policy admits")
}
