package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// errForeign means that somebody else has the name of an object that we were to make.
var errForeign = errors.New("an object of somebody else has the name")

// write makes one change. What cannot be because the namespace goes is no error: it solves itself. A conflict
// is none of ours to report: with another field manager it is errForeign, with another version errBehind.
func (d *door) write(ctx context.Context, c Change) error {
	err := d.send(ctx, c)
	o := c.Object
	switch {
	case err == nil:
		d.log.Debug("wrote", "verb", c.Verb, "object", fmt.Sprintf("%T", o), "namespace", o.GetNamespace(), "name", o.GetName())
		return nil
	case c.Verb == Delete && apierrors.IsNotFound(err), namespaceGone(err):
		return nil
	case c.First && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict):
		return errForeign
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err):
		d.log.Debug("looking again, as our cache is behind", "verb", c.Verb, "object", fmt.Sprintf("%T", o), "namespace", o.GetNamespace(), "name", o.GetName(), "error", err)
		return errBehind
	}
	return fmt.Errorf("%s %T %s/%s: %w", c.Verb, o, o.GetNamespace(), o.GetName(), err)
}

// namespaceGone tells a namespace that is not there, or goes, from a kind that the API server does not serve.
func namespaceGone(err error) bool {
	if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && apierrors.IsNotFound(err) && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}

func (d *door) send(ctx context.Context, c Change) error {
	switch c.Verb {
	case Delete:
		return d.client.Delete(ctx, c.Object, client.Preconditions{UID: new(c.Object.GetUID())})
	case Patch:
		return d.client.Patch(ctx, c.Object, difference(c), client.FieldOwner(fieldManager))
	case PatchStatus:
		return d.client.Status().Patch(ctx, c.Object, difference(c), client.FieldOwner(fieldManager))
	}
	config, err := applyConfig(c.Object, c.Verb == ApplyStatus, metav1.NewTime(time.Now()))
	if err != nil {
		return err
	}
	if c.Verb == ApplyStatus {
		return d.client.Status().Apply(ctx, config, client.FieldOwner(fieldManager), client.ForceOwnership)
	}
	options := []client.ApplyOption{client.FieldOwner(fieldManager)}
	if !c.First {
		// A hand edit of what is ours is taken back.
		options = append(options, client.ForceOwnership)
	}
	return d.client.Apply(ctx, config, options...)
}

// difference is what a patch sends. It replaces lists whole, so it is for the object that was planned on, or
// fails.
func difference(c Change) client.Patch {
	return client.MergeFromWithOptions(c.Before, client.MergeFromWithOptimisticLock{})
}

// exportConfig is the apply configuration of a ServiceExport's status, which the MCS API has none of.
type exportConfig struct {
	applymetav1.TypeMetaApplyConfiguration
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Status                                    *mcsv1beta1.ServiceExportStatus `json:"status,omitempty"`
}

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (*exportConfig) IsApplyConfiguration() {}

// importConfig is the apply configuration of a ServiceImport, which the MCS API has none of.
type importConfig struct {
	applymetav1.TypeMetaApplyConfiguration
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Spec                                      *mcsv1beta1.ServiceImportSpec   `json:"spec,omitempty"`
	Status                                    *mcsv1beta1.ServiceImportStatus `json:"status,omitempty"`
}

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (*importConfig) IsApplyConfiguration() {}

// sliceConfig is the apply configuration of an EndpointSlice. Unlike client-go's it says that there are no
// endpoints and no ports, so that what somebody put into an empty slice goes.
type sliceConfig struct {
	applymetav1.TypeMetaApplyConfiguration
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	AddressType                               discoveryv1.AddressType    `json:"addressType"`
	Endpoints                                 []discoveryv1.Endpoint     `json:"endpoints"`
	Ports                                     []discoveryv1.EndpointPort `json:"ports"`
}

// IsApplyConfiguration implements runtime.ApplyConfiguration.
func (*sliceConfig) IsApplyConfiguration() {}

// applyConfig turns an object into what server-side apply takes: its spec, or its status alone, in which
// conditions that have no LastTransitionTime changed now.
func applyConfig(o client.Object, status bool, now metav1.Time) (runtime.ApplyConfiguration, error) {
	switch o := o.(type) {
	case *corev1.Service:
		c := applycorev1.Service(o.Name, o.Namespace)
		err := convert(o, c)
		c.Status = nil
		return c, err
	case *discoveryv1.EndpointSlice:
		c := &sliceConfig{
			ObjectMetaApplyConfiguration: &applymetav1.ObjectMetaApplyConfiguration{Name: &o.Name, Namespace: &o.Namespace, Labels: o.Labels, Annotations: o.Annotations},
			AddressType:                  o.AddressType,
			Endpoints:                    append([]discoveryv1.Endpoint{}, o.Endpoints...),
			Ports:                        append([]discoveryv1.EndpointPort{}, o.Ports...),
		}
		c.APIVersion, c.Kind = new(discoveryv1.SchemeGroupVersion.String()), new("EndpointSlice")
		return c, nil
	case *mcsv1beta1.ServiceImport:
		c := &importConfig{
			ObjectMetaApplyConfiguration: &applymetav1.ObjectMetaApplyConfiguration{Name: &o.Name, Namespace: &o.Namespace},
		}
		c.APIVersion, c.Kind = new(mcsv1beta1.GroupVersion.String()), new("ServiceImport")
		if !status {
			c.Labels, c.Annotations, c.Spec = o.Labels, o.Annotations, &o.Spec
			return c, nil
		}
		c.Status = o.Status.DeepCopy()
		stampAll(c.Status.Conditions, now)
		return c, nil
	case *mcsv1beta1.ServiceExport:
		c := &exportConfig{
			ObjectMetaApplyConfiguration: &applymetav1.ObjectMetaApplyConfiguration{Name: &o.Name, Namespace: &o.Namespace},
			Status:                       o.Status.DeepCopy(),
		}
		c.APIVersion, c.Kind = new(mcsv1beta1.GroupVersion.String()), new("ServiceExport")
		stampAll(c.Status.Conditions, now)
		return c, nil
	}
	return nil, fmt.Errorf("no apply configuration for %T", o)
}

func stampAll(conditions []metav1.Condition, now metav1.Time) {
	for i := range conditions {
		if t := &conditions[i].LastTransitionTime; t.IsZero() {
			*t = now
		}
	}
}

// convert copies what o says into its apply configuration.
func convert(o client.Object, config any) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("encoding %T: %w", o, err)
	}
	if err := json.Unmarshal(text, config); err != nil {
		return fmt.Errorf("decoding into %T: %w", config, err)
	}
	return nil
}
