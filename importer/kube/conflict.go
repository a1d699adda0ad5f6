package kube

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// planConflict keeps the condition Conflict of this cluster's own ServiceExport: each cluster does so for
// its own, and all conclude the same, so it stands on all exports of the service. An export that is none, as
// its Service is none, has no such condition.
func planConflict(want *importer.Service, export *mcsv1beta1.ServiceExport, scene Scene) []Change {
	if export == nil || export.DeletionTimestamp != nil || !scene.Synced(scene.Self) {
		return nil
	}
	before := meta.FindStatusCondition(export.Status.Conditions, string(mcsv1beta1.ServiceExportConditionConflict))
	own := ownExport(want, scene.Self)
	if own == nil {
		return withoutConflict(export, before)
	}
	after := conflictCondition(want.Conflicts)
	switch {
	case describes(own, export):
		after.ObservedGeneration = export.Generation
	case before == nil:
		return nil
	default: // the View is behind, or what it holds was said before a spec that is refused
		after.ObservedGeneration = before.ObservedGeneration
	}
	if before != nil && before.Status == after.Status {
		after.LastTransitionTime = before.LastTransitionTime
	}
	if before != nil && *before == after {
		return nil
	}
	return []Change{{Verb: ApplyStatus, Object: &mcsv1beta1.ServiceExport{
		ObjectMeta: metav1.ObjectMeta{Namespace: export.Namespace, Name: export.Name},
		Status:     mcsv1beta1.ServiceExportStatus{Conditions: []metav1.Condition{after}},
	}}}
}

// withoutConflict takes the condition off, whoever wrote it.
func withoutConflict(export *mcsv1beta1.ServiceExport, conflict *metav1.Condition) []Change {
	if conflict == nil {
		return nil
	}
	bare := export.DeepCopy()
	meta.RemoveStatusCondition(&bare.Status.Conditions, conflict.Type)
	return []Change{{Verb: PatchStatus, Object: bare, Before: export}}
}

func ownExport(want *importer.Service, self federation.ClusterID) *federation.Export {
	if want == nil {
		return nil
	}
	i := slices.IndexFunc(want.Exports, func(e *federation.Export) bool { return e.Cluster == self })
	if i < 0 {
		return nil
	}
	return want.Exports[i]
}

// describes reports whether e was made of the ServiceExport as it is: its age and its spec, which is labels
// and annotations, are the same.
func describes(e *federation.Export, export *mcsv1beta1.ServiceExport) bool {
	return e.Created.Equal(export.CreationTimestamp.Time) &&
		maps.Equal(e.Labels, export.Spec.ExportedLabels) && maps.Equal(e.Annotations, export.Spec.ExportedAnnotations)
}

// conflictCondition joins the reasons by commas and the messages by spaces, as the MCS API allows.
func conflictCondition(conflicts []importer.Conflict) metav1.Condition {
	c := metav1.Condition{
		Type:    string(mcsv1beta1.ServiceExportConditionConflict),
		Status:  metav1.ConditionFalse,
		Reason:  string(mcsv1beta1.ServiceExportReasonNoConflicts),
		Message: "all exports of the service agree",
	}
	if len(conflicts) == 0 {
		return c
	}
	var reasons, messages []string
	for _, conflict := range conflicts {
		reasons, messages = append(reasons, conflict.Reason), append(messages, conflict.Message())
	}
	c.Status, c.Reason, c.Message = metav1.ConditionTrue, strings.Join(reasons, ","), strings.Join(messages, " ")
	return c
}
