package exports

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"
)

// Would is what an export would be made of.
type Would struct {
	Export  *mcsv1beta1.ServiceExport
	Service *corev1.Service // nil for none of that name
	Slices  []*discoveryv1.EndpointSlice
}

// Would returns the ServiceExport that Apply would leave, as the API server answers without keeping it, and what is there of
// its Service.
func (x *Exports) Would(ctx context.Context, name string, consumers []string) (w Would, err error) {
	made, err := x.client.Apply(ctx, name, Object(x.namespace, name, consumers), metav1.ApplyOptions{FieldManager: manager, DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return w, x.explain(fmt.Sprintf("asking what the export of Service %s/%s would be", x.namespace, name), err)
	}
	w.Export = &mcsv1beta1.ServiceExport{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(made.Object, w.Export); err != nil {
		return w, fmt.Errorf("reading ServiceExport %s/%s: %w", x.namespace, name, err)
	}
	w.Service, err = x.core.CoreV1().Services(x.namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		w.Service, err = nil, nil
	}
	if err != nil {
		return w, fmt.Errorf("reading Service %s/%s: %w", x.namespace, name, err)
	}
	list, err := x.core.DiscoveryV1().EndpointSlices(x.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + name})
	if err != nil {
		return w, fmt.Errorf("listing the EndpointSlices of Service %s/%s: %w", x.namespace, name, err)
	}
	for i := range list.Items {
		w.Slices = append(w.Slices, &list.Items[i])
	}
	return w, nil
}
