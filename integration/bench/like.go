package main

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

const (
	likeNamespace = "like"
	likeMark      = "bench"
	// likeWriters is how many objects are applied at once.
	likeWriters = 8
)

// likeKinds are the kinds that an agent makes.
var likeKinds = []schema.GroupVersionKind{
	corev1.SchemeGroupVersion.WithKind("Service"),
	discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice"),
	schema.GroupVersion(mcsv1beta1.GroupVersion).WithKind("ServiceImport"),
}

// likeMade returns the like of all that a member's agent made of the many.
func likeMade(ctx context.Context, m *clusterset.Member) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for _, kind := range likeKinds {
		var list unstructured.UnstructuredList
		list.SetGroupVersionKind(kind)
		if err := m.Client.List(ctx, &list, client.InNamespace(manyNamespace), clusterset.Made); err != nil {
			return nil, fmt.Errorf("listing %s of %s: %w", kind.Kind, m.Name, err)
		}
		for i := range list.Items {
			all = append(all, like(&list.Items[i]))
		}
	}
	return all, nil
}

// like returns what somebody else applies who wants the same object in another namespace. It has another mark
// than an agent's, whose it would be otherwise.
func like(o *unstructured.Unstructured) *unstructured.Unstructured {
	c := &unstructured.Unstructured{Object: map[string]any{}}
	for _, field := range []string{"spec", "status", "addressType", "endpoints", "ports"} {
		if v, ok := o.Object[field]; ok && (field != "status" || o.GetKind() == "ServiceImport") {
			c.Object[field] = v
		}
	}
	c = c.DeepCopy()
	c.SetGroupVersionKind(o.GroupVersionKind())
	c.SetNamespace(likeNamespace)
	c.SetName(o.GetName())
	labels := o.GetLabels()
	for _, mark := range []string{"hansa.dev/managed-by", discoveryv1.LabelManagedBy} {
		if labels[mark] != "" {
			labels[mark] = likeMark
		}
	}
	c.SetLabels(labels)
	c.SetAnnotations(o.GetAnnotations())
	if o.GetKind() == "Service" { // the API server allocates another
		unstructured.RemoveNestedField(c.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(c.Object, "spec", "clusterIPs")
	}
	return c
}

// timeApplies returns how long it takes to apply all, and the status of those that have one, to a member, and
// deletes them again.
func timeApplies(ctx context.Context, m *clusterset.Member, all []*unstructured.Unstructured) (time.Duration, error) {
	if err := createNamespace(ctx, likeNamespace, m); err != nil {
		return 0, err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(likeWriters)
	began := time.Now()
	for _, o := range all {
		group.Go(func() error { return apply(groupCtx, m, o) })
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	for _, kind := range likeKinds {
		var o unstructured.Unstructured
		o.SetGroupVersionKind(kind)
		if err := m.Client.DeleteAllOf(ctx, &o, client.InNamespace(likeNamespace)); err != nil {
			return 0, fmt.Errorf("deleting %s of %s: %w", kind.Kind, m.Name, err)
		}
	}
	return took, nil
}

// apply writes what it is given, the status apart, as the API server takes it.
func apply(ctx context.Context, m *clusterset.Member, o *unstructured.Unstructured) error {
	status, has := o.Object["status"]
	delete(o.Object, "status")
	config := client.ApplyConfigurationFromUnstructured(o)
	err := m.Client.Apply(ctx, config, client.FieldOwner(likeMark), client.ForceOwnership)
	if err == nil && has {
		s := &unstructured.Unstructured{Object: map[string]any{"status": status}}
		s.SetGroupVersionKind(o.GroupVersionKind())
		s.SetNamespace(o.GetNamespace())
		s.SetName(o.GetName())
		err = m.Client.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(s), client.FieldOwner(likeMark), client.ForceOwnership)
	}
	if err != nil {
		return fmt.Errorf("applying %s %s to %s: %w", o.GetKind(), o.GetName(), m.Name, err)
	}
	return nil
}
