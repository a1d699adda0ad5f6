package complete

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// page is how many objects are read at a time.
const page = 500

// each calls see for the objects of a kind, page after page, until see returns false; namespace "" is for all.
func (s Source) each(ctx context.Context, kind schema.GroupVersionResource, namespace string, see func(*unstructured.Unstructured) bool) error {
	config, err := s.rest()
	if err != nil {
		return err
	}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	for o := (metav1.ListOptions{Limit: page}); ; {
		list, err := client.Resource(kind).Namespace(namespace).List(ctx, o)
		if err != nil {
			return err
		}
		for i := range list.Items {
			if !see(&list.Items[i]) {
				return nil
			}
		}
		if o.Continue = list.GetContinue(); o.Continue == "" {
			return nil
		}
	}
}

// names returns what name makes of the objects of a kind. What cannot be read ends them; enough names do, too, as those of an
// API server are in order.
func (s Source) names(ctx context.Context, kind schema.GroupVersionResource, namespace, typed string, name func(*unstructured.Unstructured) (Name, bool)) []Name {
	var names []Name
	_ = s.each(ctx, kind, namespace, func(o *unstructured.Unstructured) bool {
		if n, ok := name(o); ok {
			names = append(names, Match([]Name{n}, typed)...)
		}
		return len(names) < Most
	})
	return names
}
