package exporter

import (
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// What a person applied onto a ServiceExport of auto-export's making is the person's: instead of deleting it, auto-export
// takes its mark off.
func TestWhatAPersonAppliedIsTheirs(t *testing.T) {
	for what, apply := range map[string]func(*mcsv1beta1.ServiceExport){
		"by kubectl apply": func(e *mcsv1beta1.ServiceExport) {
			e.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}
		},
		"server-side": func(e *mcsv1beta1.ServiceExport) {
			e.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "argocd", Operation: metav1.ManagedFieldsOperationApply}}
		},
		"nobody but for a status": nil,
	} {
		export := &mcsv1beta1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", Labels: map[string]string{AutoLabel: AutoMark}}}
		export.ManagedFields = []metav1.ManagedFieldsEntry{
			{Manager: autoManager, Operation: metav1.ManagedFieldsOperationUpdate},
			{Manager: fieldManager, Operation: metav1.ManagedFieldsOperationApply, Subresource: "status"},
		}
		if apply != nil {
			apply(export)
		}
		if got := declared(export); got != (apply != nil) {
			t.Errorf("%s: declared %t", what, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		x := newExporting(t)
		x.reconcile("shop/web")
		var made mcsv1beta1.ServiceExport
		x.must(x.client.Get(t.Context(), webKey, &made))
		made.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}"}
		x.must(x.client.Update(t.Context(), &made))
		x.on.set(false)
		x.reconcile("shop/web")
		var is mcsv1beta1.ServiceExport
		x.must(x.client.Get(t.Context(), webKey, &is))
		if ByAuto(&is) || x.deletes != 0 {
			t.Errorf("labels %v, %d deletes", is.Labels, x.deletes)
		}
	})
}

// A Service that is not to be exported is not, though the ServiceExport that auto-export made of its forerunner is there.
func TestWhatAutoExportTakesBackIsNotAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.auto = new(rulesOf(t))
		c.must(c.client.Create(t.Context(), shopNamespace()))
		c.must(c.client.Create(t.Context(), webService()))
		export := c.export()
		export.Labels = map[string]string{AutoLabel: AutoMark}
		c.must(c.client.Update(t.Context(), export))
		c.start()
		c.reconcile()
		c.expect("as it was made", true, nil)

		var service corev1.Service
		c.must(c.client.Get(t.Context(), webKey, &service))
		service.Annotations = map[string]string{AutoAnnotation: "false"}
		c.must(c.client.Update(t.Context(), &service))
		c.reconcile()
		c.expect("opted out", false, []string{"Valid=True/Valid@1", "Ready=False/Pending@1"})

		export = c.export()
		export.Labels = nil
		c.must(c.client.Update(t.Context(), export))
		c.reconcile()
		c.expect("by hand", true, nil, "Normal Exported announced; no other cluster has joined yet")
	})
}
