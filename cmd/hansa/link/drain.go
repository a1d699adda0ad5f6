package link

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
)

// ErrNoAgentRan is why there is nobody to drain.
var ErrNoAgentRan = errors.New("no agent has run here, so no traffic is steered: there is no ConfigMap " + state.DefaultName)

// Drained is what a change of drains leads to.
type Drained struct {
	Cluster federation.ClusterID
	Own     bool // it is the agents' own cluster, which tells the others
	Drain   federation.Drain
	Mark    *unstructured.Unstructured // what of the agents' ConfigMap says so, as kubectl apply --server-side takes it
}

// Drain asks this cluster's agents to let a cluster lose its traffic, "" for their own, from since on; the zero Drain gives it
// back. A drain that goes on already stays as it is. With dry nothing is asked.
func (t *Target) Drain(ctx context.Context, cluster federation.ClusterID, drain federation.Drain, dry bool) (d Drained, err error) {
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		d, err = t.drainOnce(ctx, cluster, drain, dry)
		return err
	})
	return d, err
}

func (t *Target) drainOnce(ctx context.Context, cluster federation.ClusterID, drain federation.Drain, dry bool) (Drained, error) {
	maps := t.core.CoreV1().ConfigMaps(t.Namespace)
	cm, err := maps.Get(ctx, state.DefaultName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Drained{}, fmt.Errorf("namespace %s: %w", t.Namespace, ErrNoAgentRan)
	}
	if err != nil {
		return Drained{}, t.explain("reading ConfigMap "+state.DefaultName, err)
	}
	said, _ := state.Decode(cm.Data)
	if cluster == "" {
		cluster = said.Self
	}
	drains, _ := state.DrainsOf(cm)
	if drains == nil {
		drains = state.Drains{}
	}
	former, drained := drains[cluster]
	if err := known(cluster, said, drained); err != nil {
		return Drained{}, err
	}
	d := Drained{Cluster: cluster, Own: cluster == said.Self, Drain: drain}
	switch {
	case !drain.Given():
		delete(drains, cluster)
	case drained && former.Over == drain.Over:
		d.Drain = former
	default:
		drains[cluster] = drain
	}
	d.Mark = marked(t.Namespace, state.DrainAnnotation, drains.String())
	if dry {
		return d, nil
	}
	var value any
	if len(drains) > 0 {
		value = drains.String()
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"resourceVersion": cm.ResourceVersion, "annotations": map[string]any{state.DrainAnnotation: value},
	}})
	if err != nil {
		return d, err
	}
	_, err = maps.Patch(ctx, state.DefaultName, types.MergePatchType, patch, metav1.PatchOptions{})
	if err == nil || apierrors.IsConflict(err) {
		return d, err
	}
	return d, t.explain("marking ConfigMap "+state.DefaultName, err)
}

// known returns why a cluster cannot be drained here, nil if it can: what is mistyped would drain nobody, and say that it did.
func known(cluster federation.ClusterID, said state.State, drained bool) error {
	var ids []string
	for _, c := range said.Clusters {
		ids = append(ids, string(c.ID))
	}
	if drained || cluster == said.Self && cluster != "" || slices.Contains(ids, string(cluster)) {
		return nil
	}
	if said.Self == "" {
		return fmt.Errorf("ConfigMap %s does not say yet which cluster this is: wait until its agent is ready", state.DefaultName)
	}
	return fmt.Errorf("cluster %q is not known here: want %s, the own one, or another of %s", cluster, said.Self, cmp.Or(strings.Join(ids, ", "), "none"))
}

// Ends returns when the cluster has lost all of its traffic.
func (d Drained) Ends() time.Time { return d.Drain.Since.Add(d.Drain.Over) }
