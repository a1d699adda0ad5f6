package exports

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/exporter"
)

// All is what auto-export decides on.
type All struct {
	Namespaces []corev1.Namespace
	Services   []corev1.Service
	Exports    []mcsv1beta1.ServiceExport
}

// All returns what is there of the namespace, or of all if Exports are those of "".
func (x *Exports) All(ctx context.Context) (all All, err error) {
	if all.Namespaces, err = x.namespaces(ctx); err != nil {
		return all, err
	}
	services, err := x.core.CoreV1().Services(x.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return all, x.explain("listing Services", err)
	}
	all.Services = services.Items
	list, err := x.client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return all, x.explain("listing ServiceExports", err)
	}
	all.Exports = make([]mcsv1beta1.ServiceExport, len(list.Items))
	for i := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &all.Exports[i]); err != nil {
			return all, fmt.Errorf("reading ServiceExport %s/%s: %w", list.Items[i].GetNamespace(), list.Items[i].GetName(), err)
		}
	}
	return all, nil
}

// namespaces returns the one, or all.
func (x *Exports) namespaces(ctx context.Context) ([]corev1.Namespace, error) {
	if x.namespace == "" {
		list, err := x.core.CoreV1().Namespaces().List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, x.explain("listing namespaces", err)
		}
		return list.Items, nil
	}
	one, err := x.core.CoreV1().Namespaces().Get(ctx, x.namespace, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, fmt.Errorf("there is no namespace %s", x.namespace)
	case err != nil:
		return nil, x.explain("reading namespace "+x.namespace, err)
	}
	return []corev1.Namespace{*one}, nil
}

// byAuto reports whether auto-export made a ServiceExport.
func byAuto(o *unstructured.Unstructured) bool {
	return o != nil && o.GetLabels()[exporter.AutoLabel] == exporter.AutoMark
}

// own takes the mark of auto-export off a ServiceExport: from then on it is a person's.
func (x *Exports) own(ctx context.Context, name string) error {
	_, err := x.client.Patch(ctx, name, types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, exporter.AutoLabel), metav1.PatchOptions{FieldManager: manager})
	if apierrors.IsNotFound(err) {
		return nil // auto-export took it back; whoever asked makes one
	}
	return err
}
