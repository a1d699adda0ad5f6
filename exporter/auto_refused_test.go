package exporter

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// forbidden is how an API server refuses for lack of rights.
func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Group: mcsv1beta1.GroupName, Resource: "serviceexports"}, "web", errors.New(`User "agent" cannot create resource`))
}

// A refusal is told, and each namespace is tried once a minute until the API server takes a write.
func TestAutoExportDoesNotHammer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 50
		var services []client.Object
		for i := range many {
			s := webService()
			s.Name = fmt.Sprintf("web-%d", i)
			services = append(services, s)
		}
		x := newExporting(t, services...)
		x.refuse = forbidden()
		pass := func() {
			x.creates = 0
			for i := range many {
				if after := x.reconcile(fmt.Sprintf("shop/web-%d", i)); x.refuse != nil && (after <= 0 || after > time.Minute) {
					t.Fatalf("looked at again after %s", after)
				}
			}
		}
		for minute := range 3 {
			pass()
			if x.creates != 1 {
				t.Errorf("minute %d: %d requests", minute, x.creates)
			}
			if got := x.auto.Trouble(); !strings.Contains(got, "namespace shop: serviceexports.multicluster.x-k8s.io") || !strings.Contains(got, "ClusterRole hansa-agent-auto-export of docs/roles.yaml") {
				t.Errorf("it says %q", got)
			}
			time.Sleep(time.Minute)
		}
		x.refuse = nil
		pass()
		if x.creates != many || x.auto.Trouble() != "" {
			t.Errorf("%d requests once they are taken; it says %q", x.creates, x.auto.Trouble())
		}
	})
}

// One namespace that is refused, as by its quota, keeps no other one waiting.
func TestARefusalIsOfOneNamespace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tap := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bar", Name: "tap"}}
		x := newExporting(t, tap, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bar"}})
		x.refuse = forbidden()
		x.reconcile("bar/tap")
		x.reconcile("shop/web")
		if got := x.auto.Trouble(); !strings.Contains(got, "in namespace bar and 1 more: ") {
			t.Errorf("it says %q", got)
		}
		x.must(x.client.Delete(t.Context(), tap))
		x.reconcile("bar/tap")
		if got := x.auto.Trouble(); !strings.Contains(got, "in namespace shop: ") {
			t.Errorf("after what was refused is wanted no more, it says %q", got)
		}
		x.must(x.client.Create(t.Context(), &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "bar", Name: "keg"}}))
		x.refuse = nil
		if after := x.reconcile("bar/keg"); after != 0 || x.creates != 3 {
			t.Errorf("%d requests, again after %s: want it made at once", x.creates, after)
		}
		x.paused.set(true)
		x.reconcile("shop/web")
		if got := x.auto.Trouble(); got != "" {
			t.Errorf("paused, it says %q", got)
		}
	})
}

// What is an answer to a write, and what is not.
func TestAnswersToAutoExport(t *testing.T) {
	exports := schema.GroupResource{Group: mcsv1beta1.GroupName, Resource: "serviceexports"}
	ending := apierrors.NewForbidden(exports, "web", errors.New("it is being terminated"))
	ending.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	noKind := &apierrors.StatusError{ErrStatus: metav1.Status{Reason: metav1.StatusReasonNotFound, Message: "the server could not find the requested resource"}}
	for what, c := range map[string]struct {
		err     error
		refused bool
		again   bool // soon
		fails   bool
	}{
		"taken":                            {},
		"the namespace went":               {err: apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "shop")},
		"the namespace goes":               {err: ending},
		"somebody made it":                 {err: apierrors.NewAlreadyExists(exports, "web")},
		"it changed":                       {err: apierrors.NewConflict(exports, "web", errors.New("x")), again: true},
		"no rights":                        {err: forbidden(), refused: true},
		"the CRD went":                     {err: noKind, refused: true},
		"the CRD goes":                     {err: apierrors.NewMethodNotSupported(exports, "create"), refused: true},
		"a policy":                         {err: apierrors.NewInvalid(schema.GroupKind{Group: mcsv1beta1.GroupName, Kind: "ServiceExport"}, "web", nil), refused: true},
		"a webhook":                        {err: apierrors.NewBadRequest("denied"), refused: true},
		"a webhook that is not there":      {err: apierrors.NewInternalError(errors.New("failed calling webhook")), refused: true},
		"the API server has none to spare": {err: apierrors.NewServiceUnavailable("down"), fails: true},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newExporting(t)
				x.refuse = c.err
				result, err := x.auto.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey})
				if (err != nil) != c.fails || (x.auto.Trouble() != "") != c.refused {
					t.Errorf("error %v, it says %q", err, x.auto.Trouble())
				}
				if again := result.RequeueAfter == retryLeast; again != c.again || (result.RequeueAfter == time.Minute) != c.refused {
					t.Errorf("again after %s", result.RequeueAfter)
				}
			})
		})
	}
}

// A ServiceExport that is refused for what it is keeps no other one waiting, and is told until it is taken.
func TestAnObjectIsRefusedAlone(t *testing.T) {
	r := newRefusals()
	noon := time.Unix(900_000_000, 0)
	why := apierrors.NewBadRequest("no such team")
	if wait, first := r.refuse(webName, objectRefused, why, noon); wait != time.Minute || !first {
		t.Errorf("again after %s, first %t", wait, first)
	}
	if wait := r.wait(serviceNamed("shop/api"), noon); wait != 0 {
		t.Errorf("another one waits for %s", wait)
	}
	if got := r.tell(); got != "auto-export cannot write ServiceExport shop/web: no such team; it is tried again each minute" {
		t.Errorf("it says %q", got)
	}
	if r.accept(webName); r.tell() != "" {
		t.Errorf("taken, and it says %q", r.tell())
	}
}

// Of many that wait in a namespace, one alone is tried while it is not known how that fares.
func TestOneOfManyIsTriedAgain(t *testing.T) {
	r := newRefusals()
	noon := time.Unix(900_000_000, 0)
	other := serviceNamed("shop/api")
	if _, first := r.refuse(webName, writeRefused, forbidden(), noon); !first {
		t.Error("the first refusal is not the first")
	}
	if _, first := r.refuse(other, writeRefused, forbidden(), noon); first {
		t.Error("the second refusal is the first")
	}
	if wait := r.wait(other, noon.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("too early, wait %s", wait)
	}
	if wait := r.wait(other, noon.Add(time.Minute)); wait != 0 {
		t.Errorf("after a minute, wait %s", wait)
	}
	if wait := r.wait(webName, noon.Add(time.Minute)); wait != time.Minute {
		t.Errorf("while another one is tried, wait %s", wait)
	}
	r.accept(webName)
	if wait := r.wait(webName, noon.Add(time.Minute)); wait != 0 || r.tell() != "" {
		t.Errorf("once one was taken, wait %s; it says %q", wait, r.tell())
	}
}
