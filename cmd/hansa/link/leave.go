package link

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

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
var ErrNoState = errors.New("no agent has run here, so there is nothing to leave: there is no ConfigMap " + state.DefaultName)

// Leave asks this cluster's agents to leave the clusterset: what it exported goes everywhere, what it imported goes here. They
// do it once they can; see AwaitLeft. Rejoin takes it back.
func (t *Target) Leave(ctx context.Context) error {
	return t.mark(ctx, state.LeaveAnnotation, "true", ErrNoState)
}

// Rejoin takes a Leave back.
func (t *Target) Rejoin(ctx context.Context) error {
	return t.mark(ctx, state.LeaveAnnotation, nil, ErrNoState)
}

// Mark returns what of the agents' ConfigMap asks them to leave, or to be a member again, as kubectl apply --server-side takes
// it.
func Mark(namespace string, leave bool) *unstructured.Unstructured {
	return marked(namespace, state.LeaveAnnotation, strconv.FormatBool(leave))
}

// marked returns what of the agents' ConfigMap has an annotation.
func marked(namespace, annotation, value string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": state.DefaultName, "namespace": namespace},
	}}
	o.SetAnnotations(map[string]string{annotation: value})
	return o
}

// mark annotates the agents' ConfigMap, or with nil takes the annotation off. Without a ConfigMap the error wraps none.
func (t *Target) mark(ctx context.Context, annotation string, value any, none error) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotation: value}}})
	if err != nil {
		return err
	}
	_, err = t.core.CoreV1().ConfigMaps(t.Namespace).Patch(ctx, state.DefaultName, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("namespace %s: %w", t.Namespace, none)
	}
	if err != nil {
		return t.explain("marking ConfigMap "+state.DefaultName, err)
	}
	return nil
}

// AwaitLeft waits until the agents say that the cluster has left, or is back.
func (t *Target) AwaitLeft(ctx context.Context, left bool) error {
	return t.awaitState(ctx, func(cm *corev1.ConfigMap) bool { return state.DepartureOf(cm).Left == left })
}

// awaitState waits until the agents' ConfigMap says what is waited for.
func (t *Target) awaitState(ctx context.Context, says func(*corev1.ConfigMap) bool) error {
	named := fields.OneTermEqualSelector(metav1.ObjectNameField, state.DefaultName)
	list := cache.NewListWatchFromClient(t.core.CoreV1().RESTClient(), "configmaps", t.Namespace, named)
	_, err := watchtools.UntilWithSync(ctx, list, &corev1.ConfigMap{}, nil, func(e watch.Event) (bool, error) {
		cm, ok := e.Object.(*corev1.ConfigMap)
		return ok && e.Type != watch.Deleted && says(cm), nil
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("the agents have not done it yet, and will once they can; is one running? %w", context.Cause(ctx))
	}
	return t.explain("watching ConfigMap "+state.DefaultName, err)
}
