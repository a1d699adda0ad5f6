package exports

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/exporter"
)

// Taken is what became of an export that was taken back.
type Taken struct {
	// Was says that there was one.
	Was bool
	// OptedOut says that its Service is annotated, so that auto-export leaves it out.
	OptedOut bool
	// Again says that auto-export has made one in its place.
	Again bool
}

// TakeBack deletes a ServiceExport. Of one that auto-export made, or of any with optOut, the Service is annotated first, so
// that auto-export makes no other. Where something speaks for auto-export being on, of a ServiceExport or in the namespace of
// the agents, it is seen whether another one comes at once in the place of one that was made by hand.
func (x *Exports) TakeBack(ctx context.Context, name string, optOut bool, agents string) (t Taken, err error) {
	export, err := x.client.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && !noKind(err) {
		export, err = nil, nil
	}
	if err != nil {
		return t, x.explain(x.taking(name), err)
	}
	if optOut || byAuto(export) {
		if t.OptedOut, err = x.annotate(ctx, name, optOut); err != nil {
			return t, err
		}
	}
	if export == nil {
		return t, x.exists(ctx)
	}
	if t.Was, err = x.delete(ctx, export, t.OptedOut); err != nil || t.OptedOut {
		return t, err
	}
	t.Again = !byAuto(export) && x.autoActs(ctx, agents) && x.comesBack(ctx, name)
	return t, nil
}

func (x *Exports) taking(name string) string {
	return fmt.Sprintf("taking back the export of Service %s/%s", x.namespace, name)
}

// OptOutObject is what of a Service keeps auto-export from exporting it, as kubectl apply --server-side takes it.
func OptOutObject(namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": namespace},
	}}
	o.SetAnnotations(map[string]string{exporter.AutoAnnotation: "false"})
	return o
}

// annotate keeps auto-export from exporting a Service. It reports whether there is one, and with must fails if there is none.
func (x *Exports) annotate(ctx context.Context, name string, must bool) (bool, error) {
	change := fmt.Appendf(nil, `{"metadata":{"annotations":{%q:"false"}}}`, exporter.AutoAnnotation)
	_, err := x.core.CoreV1().Services(x.namespace).Patch(ctx, name, types.MergePatchType, change, metav1.PatchOptions{FieldManager: manager})
	switch {
	case apierrors.IsNotFound(err) && !must:
		return false, nil
	case apierrors.IsNotFound(err):
		if err := x.exists(ctx); err != nil {
			return false, err
		}
		return false, fmt.Errorf("there is no Service %s/%s to opt out; without --opt-out its ServiceExport alone is taken back", x.namespace, name)
	case err != nil:
		return false, x.explain(x.taking(name)+": annotating the Service, as auto-export would export it again", err)
	}
	return true, nil
}

// delete deletes a ServiceExport. It reports whether it was still there. One of auto-export it leaves to the agents while there
// is one that does it, which knows by then that it is not to make another.
func (x *Exports) delete(ctx context.Context, export *unstructured.Unstructured, optedOut bool) (bool, error) {
	var o metav1.DeleteOptions
	whose := byAuto(export) && optedOut
	if whose {
		x.awaitGone(ctx, export)
		o.Preconditions = &metav1.Preconditions{UID: new(export.GetUID())}
	}
	err := x.client.Delete(ctx, export.GetName(), o)
	if apierrors.IsNotFound(err) || whose && apierrors.IsConflict(err) {
		return whose, nil
	}
	if err != nil {
		return false, x.explain(x.taking(export.GetName()), err)
	}
	return true, nil
}

// exists returns an error if the namespace does not exist.
func (x *Exports) exists(ctx context.Context) error {
	_, err := x.core.CoreV1().Namespaces().Get(ctx, x.namespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no namespace %s", x.namespace)
	}
	return nil // who may not know that gets no hint
}

// autoActs reports whether auto-export seems to be on: the ConfigMap of the gates says so or, if it does not speak of that, there
// is something that auto-export made. What may not be seen speaks for nothing.
func (x *Exports) autoActs(ctx context.Context, agents string) bool {
	cm, err := x.core.CoreV1().ConfigMaps(agents).Get(ctx, features.ConfigMap, metav1.GetOptions{})
	if err == nil {
		said, _ := features.ReadConfigMap(features.ConfigMap, cm.Data, func(string) time.Time { return time.Time{} }, features.Layer{})
		if on, speaks := said.Values[features.AutoExport]; speaks {
			return on
		}
	}
	one := metav1.ListOptions{LabelSelector: exporter.AutoLabel + "=" + exporter.AutoMark, Limit: 1}
	list, err := x.all.List(ctx, one)
	if err != nil {
		list, err = x.client.List(ctx, one)
	}
	return err == nil && len(list.Items) > 0
}

// relapse is how long auto-export may take to make a ServiceExport in the place of one that went.
const relapse = time.Second

// comesBack reports whether auto-export makes a ServiceExport of that name.
func (x *Exports) comesBack(ctx context.Context, name string) bool {
	ctx, cancel := context.WithTimeout(ctx, relapse)
	defer cancel()
	_, err := watchtools.UntilWithSync(ctx, x.only(name), &unstructured.Unstructured{}, nil, func(e watch.Event) (bool, error) {
		o, ok := e.Object.(*unstructured.Unstructured)
		return ok && e.Type != watch.Deleted && byAuto(o) && o.GetDeletionTimestamp() == nil, nil
	})
	return err == nil
}

// awaitGone waits until a ServiceExport went, for as long as agents need at most.
func (x *Exports) awaitGone(ctx context.Context, export *unstructured.Unstructured) {
	ctx, cancel := context.WithTimeout(ctx, echo)
	defer cancel()
	o := metav1.ListOptions{ResourceVersion: export.GetResourceVersion()}
	w, err := x.only(export.GetName()).WatchWithContext(ctx, o)
	if err != nil {
		return
	}
	defer w.Stop()
	_, _ = watchtools.UntilWithoutRetry(ctx, w, func(e watch.Event) (bool, error) { return e.Type == watch.Deleted, nil })
}

// only lists and watches the ServiceExport of a name.
func (x *Exports) only(name string) *cache.ListWatch {
	named := fields.OneTermEqualSelector(metav1.ObjectNameField, name).String()
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = named
			return x.client.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = named
			return x.client.Watch(ctx, o)
		},
	}
}
