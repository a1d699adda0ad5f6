package exporter

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

const labelGrammar = "want at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"

func TestTheLifeOfAServiceExport(t *testing.T) {
	rule.Covers(t, "E4", "E5", "E6", "#8", "#9", "#10", "#31")
	c := newCluster(t)
	ctx := t.Context()
	c.reconcile()
	noService := []string{"Valid=False/NoService@1", "Ready=False/Pending@1"}
	c.expect("no Service", false, noService, `Warning NoService there is no Service "web" in namespace "shop"`)

	c.must(c.client.Create(ctx, webService()))
	c.reconcile()
	yes := []string{"Valid=True/Valid@1", "Ready=True/Exported@1"}
	c.expect("a Service", true, yes, "Normal Exported announced; no other cluster has joined yet")

	service := webService()
	service.Spec.Type, service.Spec.ExternalName = corev1.ServiceTypeExternalName, "example.org"
	c.must(c.client.Update(ctx, service))
	c.reconcile()
	c.expect("an ExternalName", false, []string{"Valid=False/InvalidServiceType@1", "Ready=False/Pending@1"},
		"Warning InvalidServiceType a Service of type ExternalName cannot be exported")

	c.must(c.client.Update(ctx, webService()))
	c.reconcile()
	c.expect("a ClusterIP again", true, yes, "Normal Exported announced; no other cluster has joined yet")

	export := c.export()
	export.Generation, export.Spec.ExportedLabels = 2, map[string]string{"team": "-"}
	c.must(c.client.Update(ctx, export))
	c.reconcile()
	c.expect("a bad label, and none before", true, []string{"Valid=True/Valid@2", "Ready=False/Failed@2"},
		`Warning Failed exportedLabels "team": value "-": `+labelGrammar+"; meanwhile it is exported without exportedLabels, and endpoints follow")

	c.must(c.client.Delete(ctx, webService()))
	c.reconcile()
	c.expect("the Service goes", false, []string{"Valid=False/NoService@2", "Ready=False/Pending@2"},
		`Warning NoService there is no Service "web" in namespace "shop"`)

	c.must(c.client.Create(ctx, webService()))
	c.reconcile()
	c.expect("it is back, without the label", true, []string{"Valid=True/Valid@2", "Ready=False/Failed@2"},
		`Warning Failed exportedLabels "team": value "-": `+labelGrammar+"; meanwhile it is exported without exportedLabels, and endpoints follow")

	c.must(c.client.Delete(ctx, webService()))
	c.reconcile()
	c.expect("the Service goes", false, []string{"Valid=False/NoService@2", "Ready=False/Pending@2"},
		`Warning NoService there is no Service "web" in namespace "shop"`)

	export = c.export()
	export.Generation, export.Spec.ExportedLabels = 3, nil
	c.must(c.client.Update(ctx, export))
	c.must(c.client.Create(ctx, webService()))
	c.reconcile()
	c.expect("all is well", true, []string{"Valid=True/Valid@3", "Ready=True/Exported@3"}, "Normal Exported announced; no other cluster has joined yet")

	c.must(c.client.Delete(ctx, c.export()))
	c.reconcile()
	c.expect("un-exported", false, nil)
}

// What changes nothing is not written, and nobody is told: not for an endpoint, nor after a restart, in which
// the other clusters are heard one by one.
func TestARestartWritesNothing(t *testing.T) {
	rule.Covers(t, "#27")
	c := newCluster(t, webService())
	c.join("east", "west")
	c.reconcile()
	yes := []string{"Valid=True/Valid@1", "Ready=True/Exported@1"}
	c.expect("exported", true, yes)
	before := c.export()
	c.must(c.client.Create(t.Context(), &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "shop", Name: "web-1", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.1"}}},
	}))
	c.reconcile()
	c.expect("an endpoint", true, yes)
	if c.writes != 1 {
		t.Errorf("%d writes: want the first one", c.writes)
	}

	c.start()
	c.reconcile()
	c.expect("after a restart, nobody is remembered yet", true, yes)
	c.exporter.Store.Expect("east")
	c.exporter.Store.Expect("west")
	for _, p := range []federation.ClusterID{"west", "east"} {
		c.join(p)
		c.reconcile()
		c.expect("after a restart, "+string(p)+" is heard", true, yes)
	}
	if after := c.export(); c.writes != 0 || after.ResourceVersion != before.ResourceVersion {
		t.Errorf("%d writes after a restart, which made of\n%+v\nthis:\n%+v", c.writes, before.Status, after.Status)
	}

	c.join("north")
	c.reconcile()
	c.expect("north joins", true, yes)
	ready := meta.FindStatusCondition(c.export().Status.Conditions, "Ready")
	was := meta.FindStatusCondition(before.Status.Conditions, "Ready")
	if c.writes != 1 || ready.Message != "offered to 3 other clusters of the clusterset" || !ready.LastTransitionTime.Equal(&was.LastTransitionTime) {
		t.Errorf("%d writes, Ready %+v: want the message alone to change of %+v", c.writes, ready, was)
	}

	u := &federation.Update{Owner: "west", From: federation.Version{Term: 1, Seq: 1}, To: federation.Version{Term: 1, Seq: 2}, Left: true}
	if _, err := c.exporter.Store.Apply(u); err != nil {
		t.Fatal(err)
	}
	c.reconcile()
	if got := c.ready(); got != "offered to 2 other clusters of the clusterset" {
		t.Errorf("west left, and Ready says %q", got)
	}
}

// A status that cannot be written as nothing is left to write it to is no error, which would be tried again
// and again; any other is. Either way nobody is told what is not so.
func TestWhereNothingIsLeftNothingIsTriedAgain(t *testing.T) {
	rule.Covers(t, "#4")
	resource := schema.GroupResource{Group: mcsv1beta1.GroupName, Resource: "serviceexports"}
	ending := apierrors.NewForbidden(resource, "web", errors.New("namespace shop is being terminated"))
	ending.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause, Field: "metadata.namespace"}}
	for what, refusal := range map[string]struct {
		err   error
		again bool
	}{
		"no ServiceExport":      {apierrors.NewNotFound(resource, "web"), false},
		"the namespace ends":    {ending, false},
		"as much, wrapped":      {fmt.Errorf("applying: %w", ending), false},
		"no right to it":        {apierrors.NewForbidden(resource, "web", errors.New("no role")), true},
		"the API server's busy": {apierrors.NewTooManyRequests("later", 1), true},
		"no answer":             {&apierrors.StatusError{ErrStatus: metav1.Status{Code: http.StatusBadGateway}}, true},
		"no API server":         {context.DeadlineExceeded, true},
	} {
		c := newCluster(t, webService())
		c.refuse = refusal.err
		_, err := c.exporter.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey})
		if (err != nil) != refusal.again || refusal.again && !errors.Is(err, refusal.err) {
			t.Errorf("%s: error %v, want one: %t", what, err, refusal.again)
		}
		c.expect(what, true, nil)
		c.refuse = nil
		c.reconcile()
		c.expect(what+", afterwards", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"})
	}
}

// A ServiceExport that is being deleted exports nothing more, whatever a finalizer keeps of it (E4), and says so,
// once and to nobody.
func TestAServiceExportThatGoesIsWithdrawn(t *testing.T) {
	rule.Covers(t, "E4", "#31")
	c := newCluster(t, webService())
	c.reconcile()
	export := c.export()
	export.Finalizers = []string{"example.org/keep"}
	c.must(c.client.Update(t.Context(), export))
	c.must(c.client.Delete(t.Context(), export))
	c.reconcile()
	going := []string{"Valid=True/Valid@1", "Ready=False/Pending@1"}
	c.expect("being deleted", false, going)
	if got := meta.FindStatusCondition(c.export().Status.Conditions, "Ready").Message; got != "is being deleted; withdrawn from the clusterset" {
		t.Errorf("Ready says %q", got)
	}
	writes, asked := c.writes, len(c.asked)
	if after := c.reconcile(); after != 0 || c.writes != writes || len(c.asked) != asked {
		t.Errorf("afterwards %d writes, %d questions, again after %s: want nothing", c.writes-writes, len(c.asked)-asked, after)
	}
	c.must(c.client.Delete(t.Context(), webService()))
	c.reconcile()
	c.expect("without its Service", false, []string{"Valid=False/NoService@1", "Ready=False/Pending@1"})

	c.start()
	c.expect("after a restart", false, nil)
}

// From the announcement on, terms and other clusters are followed.
func TestAnExporterFollowsWhatChangesBesideTheObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		c.join("east")
		c.looks()
		store := c.exporter.Store
		rival, advanced := store.Version("own").Term+1, store.Advanced("own")
		c.must(store.Contest(federation.Version{Term: rival, Seq: 1}, time.Now()))
		<-advanced
		if term := store.Version("own").Term; term <= rival {
			t.Errorf("speaks in term %d, a peer holds %d", term, rival)
		}
	})
}
