package exporter

import (
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

var readyTrue = metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Exported", Message: "offered", ObservedGeneration: 1}

// settled writes a condition an hour ago, settles want now, and returns the outcome.
func settled(t *testing.T, want metav1.Condition) (got metav1.Condition, changed bool, before, now time.Time) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		export := &mcsv1beta1.ServiceExport{}
		first, _ := settle(export, readyTrue)
		before = time.Now()
		export.Status.Conditions = []metav1.Condition{{Type: "Conflict", Status: metav1.ConditionTrue}, first}
		time.Sleep(time.Hour)
		got, changed = settle(export, want)
		now = time.Now()
	})
	return got, changed, before, now
}

func TestAnEqualConditionIsNotWritten(t *testing.T) {
	rule.Covers(t, "#27")
	got, changed, before, _ := settled(t, readyTrue)
	if changed || !got.LastTransitionTime.Time.Equal(before) {
		t.Fatalf("changed %v, got %+v: want nothing to write", changed, got)
	}
}

func TestTheTransitionTimeStaysWithTheStatus(t *testing.T) {
	rule.Covers(t, "#27")
	for _, change := range []func(*metav1.Condition){
		func(c *metav1.Condition) { c.Message = "another" },
		func(c *metav1.Condition) { c.Reason = "Another" },
		func(c *metav1.Condition) { c.ObservedGeneration = 2 },
	} {
		want := readyTrue
		change(&want)
		got, changed, before, _ := settled(t, want)
		want.LastTransitionTime = metav1.NewTime(before)
		if !changed || !equal(got, want) {
			t.Errorf("changed %v, got %+v, want %+v", changed, got, want)
		}
	}
}

func TestTheTransitionTimeMovesWithTheStatus(t *testing.T) {
	rule.Covers(t, "#27")
	want := readyTrue
	want.Status, want.Reason = metav1.ConditionFalse, "Failed"
	got, changed, _, now := settled(t, want)
	want.LastTransitionTime = metav1.NewTime(now)
	if !changed || !equal(got, want) {
		t.Fatalf("changed %v, got %+v, want %+v", changed, got, want)
	}
}

func TestAFirstConditionIsWritten(t *testing.T) {
	export := &mcsv1beta1.ServiceExport{}
	got, changed := settle(export, readyTrue)
	if !changed || got.LastTransitionTime.IsZero() {
		t.Fatalf("changed %v, got %+v", changed, got)
	}
	if meta.FindStatusCondition(export.Status.Conditions, "Ready") != nil {
		t.Fatal("the object of the cache was changed")
	}
}

func equal(a, b metav1.Condition) bool {
	same := a.LastTransitionTime.Time.Equal(b.LastTransitionTime.Time)
	a.LastTransitionTime, b.LastTransitionTime = metav1.Time{}, metav1.Time{}
	return same && a == b
}
