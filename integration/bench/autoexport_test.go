package main

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

func TestAutoServicesDiffer(t *testing.T) {
	names, namespaces := map[string]bool{}, map[string]int{}
	for i := range autoServices {
		service := autoService(i)[0]
		names[service.GetName()] = true
		namespaces[service.GetNamespace()]++
		if autoNamespace(autoFloorPrefix, i) == service.GetNamespace() {
			t.Errorf("the floor writes to %s, where Services are", service.GetNamespace())
		}
	}
	if len(names) != autoServices || len(namespaces) != autoNamespaces {
		t.Errorf("%d names in %d namespaces, want %d in %d", len(names), len(namespaces), autoServices, autoNamespaces)
	}
}

func TestExportedIsReadyForThatReasonWithoutConflict(t *testing.T) {
	for _, c := range []struct {
		ready, conflict metav1.ConditionStatus
		reason          string
		want            bool
	}{
		{"", "", "", false},
		{metav1.ConditionTrue, "", "Exported", false},
		{metav1.ConditionTrue, metav1.ConditionFalse, "Exported", true},
		{metav1.ConditionTrue, metav1.ConditionFalse, "Other", false},
		{metav1.ConditionFalse, metav1.ConditionFalse, "Exported", false},
		{metav1.ConditionTrue, metav1.ConditionTrue, "Exported", false},
	} {
		var e mcsv1beta1.ServiceExport
		if c.ready != "" {
			meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: "Ready", Status: c.ready, Reason: c.reason})
		}
		if c.conflict != "" {
			meta.SetStatusCondition(&e.Status.Conditions, metav1.Condition{Type: "Conflict", Status: c.conflict, Reason: "Any"})
		}
		if got := isExported(&e); got != c.want {
			t.Errorf("%+v: %t, want %t", c, got, c.want)
		}
	}
}
