package link

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
)

// ErrNothingImported is why there is nothing to freeze.
var ErrNothingImported = errors.New("no agent has run here, so nothing is imported: there is no ConfigMap " + state.DefaultName)

// Freeze asks this cluster's agents to keep what is imported as it is. They do so once they see it; see AwaitFrozen. Unfreeze
// takes it back. Who asks again leaves the time at which it was asked first.
func (t *Target) Freeze(ctx context.Context, now time.Time) error {
	cm, err := t.core.CoreV1().ConfigMaps(t.Namespace).Get(ctx, state.DefaultName, metav1.GetOptions{})
	if err == nil && state.FreezeOf(cm).Asked {
		return nil
	}
	return t.mark(ctx, state.FreezeAnnotation, moment(now), ErrNothingImported) // which tells of an error of the reading, too
}

// Unfreeze takes a Freeze back.
func (t *Target) Unfreeze(ctx context.Context) error {
	return t.mark(ctx, state.FreezeAnnotation, nil, ErrNothingImported)
}

// FreezeMark returns what of the agents' ConfigMap asks them to keep what is imported as it is, or not to any more, as
// kubectl apply --server-side takes it.
func FreezeMark(namespace string, freeze bool, now time.Time) *unstructured.Unstructured {
	if !freeze {
		return marked(namespace, state.FreezeAnnotation, "false")
	}
	return marked(namespace, state.FreezeAnnotation, moment(now))
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// AwaitFrozen waits until the agents say that what is imported is frozen, and since when, or that it is not.
func (t *Target) AwaitFrozen(ctx context.Context, frozen bool) (since time.Time, err error) {
	err = t.awaitState(ctx, func(cm *corev1.ConfigMap) bool {
		f := state.FreezeOf(cm)
		since = f.Since
		return f.Asked == frozen && f.Since.IsZero() != frozen
	})
	return since, err
}
