package agent

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// meetOwn tells the Store by which UID this cluster can be told from another that was given the same ID. It returns once
// that is known, or ctx ends: without it no peer would take this agent for what it is.
func (m *member) meetOwn(ctx context.Context) error {
	core, err := corev1client.NewForConfig(m.rest)
	if err != nil {
		return fmt.Errorf("making a client of Namespaces: %w", err)
	}
	for wait := recallPause; ; wait = min(2*wait, time.Minute) {
		system, err := core.Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		if err == nil {
			return m.store.Meet(m.store.Self(), string(system.UID))
		}
		if apierrors.IsForbidden(err) {
			m.log.WarnContext(ctx, "the UID of kube-system, by which peers know this cluster, may not be read (docs/roles.yaml has the role that is needed)", "error", err, "again_in", wait)
		} // of an API server that cannot be reached others tell
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}
