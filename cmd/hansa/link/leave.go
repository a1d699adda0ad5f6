package link

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

// ErrNoState is why there is nothing to leave.
var ErrNoState = errors.New("no agent has run here: there is no ConfigMap " + state.DefaultName)

// Leave asks this cluster's agents to leave the clusterset, and returns when they have: what it exported goes everywhere, what
// it imported goes here. If ctx ends before, they leave all the same, once they can. Rejoin takes it back.
func (t *Target) Leave(ctx context.Context, tell func(line string)) error {
	if err := t.mark(ctx, `{"metadata":{"annotations":{"`+state.LeaveAnnotation+`":"true"}}}`); err != nil {
		return err
	}
	tell("asked the agents to leave; they tell the other clusters first")
	return t.awaitLeft(ctx, true)
}

// Rejoin takes a Leave back, and returns when the agents are members again.
func (t *Target) Rejoin(ctx context.Context) error {
	if err := t.mark(ctx, `{"metadata":{"annotations":{"`+state.LeaveAnnotation+`":null}}}`); err != nil {
		return err
	}
	return t.awaitLeft(ctx, false)
}

// Mark returns what of the agents' ConfigMap asks them to leave, or no longer, as server-side apply takes it.
func Mark(namespace string, leave bool) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": state.DefaultName, "namespace": namespace},
	}}
	if leave {
		o.SetAnnotations(map[string]string{state.LeaveAnnotation: "true"})
	}
	return o
}

func (t *Target) mark(ctx context.Context, patch string) error {
	_, err := t.core.CoreV1().ConfigMaps(t.Namespace).Patch(ctx, state.DefaultName, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %s: %w", t.Namespace, ErrNoState)
	}
	if err != nil {
		return t.explain("marking ConfigMap "+state.DefaultName, err)
	}
	return nil
}

// awaitLeft waits until the agents say that the cluster has left, or is back.
func (t *Target) awaitLeft(ctx context.Context, left bool) error {
	named := fields.OneTermEqualSelector(metav1.ObjectNameField, state.DefaultName)
	list := cache.NewListWatchFromClient(t.core.CoreV1().RESTClient(), "configmaps", t.Namespace, named)
	_, err := watchtools.UntilWithSync(ctx, list, &corev1.ConfigMap{}, nil, func(e watch.Event) (bool, error) {
		cm, ok := e.Object.(*corev1.ConfigMap)
		return ok && e.Type != watch.Deleted && state.DepartureOf(cm).Left == left, nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("the agents have not done it yet, and will once they can; is one running? %w", context.Cause(ctx))
	}
	return t.explain("watching ConfigMap "+state.DefaultName, err)
}
