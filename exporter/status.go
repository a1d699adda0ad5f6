package exporter

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// fieldManager owns Valid and Ready on ServiceExports.
const fieldManager = "hansa-exporter"

// writeStatus applies the two conditions when they differ from what the ServiceExport says, and tells in
// events what came of it; e is what is said of the service, nil for nothing. A condition keeps its LastTransitionTime
// while its status stays.
func (x *exporter) writeStatus(ctx context.Context, export *mcsv1beta1.ServiceExport, e *federation.Export, status Status) error {
	if exported(status.Ready) {
		old := meta.FindStatusCondition(export.Status.Conditions, status.Ready.Type)
		status.Ready = offer(old, status.Ready, audienceOf(e, x.Policy, x.Store.Owners()))
	}
	valid, a := settle(export, status.Valid)
	ready, b := settle(export, status.Ready)
	if !a && !b {
		return nil
	}
	config := &exportConfig{
		ObjectMetaApplyConfiguration: &applymetav1.ObjectMetaApplyConfiguration{Name: &export.Name, Namespace: &export.Namespace},
		Status:                       &mcsv1beta1.ServiceExportStatus{Conditions: []metav1.Condition{valid, ready}},
	}
	config.APIVersion, config.Kind = new(mcsv1beta1.GroupVersion.String()), new("ServiceExport")
	err := x.client.Status().Apply(ctx, config, client.FieldOwner(fieldManager), client.ForceOwnership)
	if gone(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("writing the status of ServiceExport %s/%s: %w", export.Namespace, export.Name, err)
	}
	if export.DeletionTimestamp != nil {
		return nil // nobody waits for what goes
	}
	for _, e := range news(export.Status.Conditions, Status{Valid: valid, Ready: ready}) {
		x.recorder.Eventf(export, nil, e.kind, e.reason, eventAction, "%s", e.note)
	}
	return nil
}

// gone reports whether a write failed as the object is no more, or its namespace ends: nothing is left to
// say then, and trying again would never end.
func gone(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// exportConfig is the apply configuration of a ServiceExport's status, which the MCS API has none of.
type exportConfig struct {
	applymetav1.TypeMetaApplyConfiguration
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Status                                    *mcsv1beta1.ServiceExportStatus `json:"status,omitempty"`
}

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (*exportConfig) IsApplyConfiguration() {}

// settle returns the condition to write, and whether it differs from the one that is there.
func settle(export *mcsv1beta1.ServiceExport, want metav1.Condition) (metav1.Condition, bool) {
	list := []metav1.Condition{}
	if old := meta.FindStatusCondition(export.Status.Conditions, want.Type); old != nil {
		list = append(list, *old)
	}
	changed := meta.SetStatusCondition(&list, want)
	return list[0], changed
}
