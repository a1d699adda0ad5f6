package clusterset

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// Made selects, among the Kinds, what an agent made.
var Made = client.HasLabels{mcsv1beta1.LabelServiceName}

// Kinds are the kinds of object that an agent makes.
func Kinds() []client.ObjectList {
	return []client.ObjectList{&mcsv1beta1.ServiceImportList{}, &corev1.ServiceList{}, &discoveryv1.EndpointSliceList{}}
}

// Versions returns UID and resourceVersion of every object that the agent made, by kind and name.
func (m *Member) Versions(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	for _, list := range Kinds() {
		if err := m.Client.List(ctx, list, Made); err != nil {
			return nil, fmt.Errorf("listing %T: %w", list, err)
		}
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object, err := meta.Accessor(o)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("%T %s/%s", o, object.GetNamespace(), object.GetName())
			all[name] = fmt.Sprintf("%s %s", object.GetUID(), object.GetResourceVersion())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// AwaitWithdrawn waits until all that the agent made for a service is gone, but for the derived Service if it
// rests: that keeps the address for a while.
func (m *Member) AwaitWithdrawn(ctx context.Context, namespace, name string) error {
	mine := []client.ListOption{client.InNamespace(namespace), client.MatchingLabels{mcsv1beta1.LabelServiceName: name}}
	for _, list := range []client.ObjectList{&mcsv1beta1.ServiceImportList{}, &discoveryv1.EndpointSliceList{}} {
		if err := AwaitGone(ctx, m.Client, list, mine...); err != nil {
			return err
		}
	}
	var derived corev1.ServiceList
	if err := m.Client.List(ctx, &derived, mine...); err != nil || len(derived.Items) == 0 {
		return err
	}
	resting := func(s *corev1.Service) bool { return s.Annotations["hansa.dev/resting-since"] != "" }
	_, err := Await(ctx, m.Client, &corev1.ServiceList{}, resting, mine...)
	return err
}
