package exporter

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/federation"
)

// byService is the field by which the EndpointSlices of a Service are found in the cache. There is none for Nodes, which
// seldom move: it would take some 200 bytes for each endpoint, and each change of a slice would pay for it.
const byService = "service"

// indexSlices makes the cache find EndpointSlices by Service.
func indexSlices(ctx context.Context, into client.FieldIndexer) error {
	if err := into.IndexField(ctx, &discoveryv1.EndpointSlice{}, byService, servicesIn); err != nil {
		return fmt.Errorf("indexing EndpointSlices by %s: %w", byService, err)
	}
	return nil
}

func servicesIn(o client.Object) []string {
	return []string{o.GetLabels()[discoveryv1.LabelServiceName]}
}

// moved collects the names of Nodes that are elsewhere than before.
type moved struct {
	log   *slog.Logger
	mu    sync.Mutex
	names map[string]bool
	more  chan struct{} // has a value if there are any
}

func newMoved(log *slog.Logger) *moved {
	return &moved{log: log, names: map[string]bool{}, more: make(chan struct{}, 1)}
}

func (m *moved) add(names ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range names {
		m.names[name] = true
	}
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *moved) take() map[string]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := m.names
	m.names = map[string]bool{}
	return names
}

// services takes the Services with endpoints on Nodes that moved, each once however many of its Nodes did. The Nodes stay
// noted if that fails.
func (m *moved) services(ctx context.Context, c client.Reader) ([]federation.ServiceName, error) {
	nodes := m.take()
	if len(nodes) == 0 {
		return nil, nil // one round took what was noted while it began
	}
	names, err := servicesOn(ctx, c, nodes)
	if err != nil {
		m.add(slices.Collect(maps.Keys(nodes))...)
	}
	return names, err
}

// keepQueued queues, until ctx ends, the Services with endpoints on Nodes that moved. What comes of a Service then is the
// queue's to try again. As all slices are read for it, it rests in between, and Nodes that move meanwhile are one more time.
func (m *moved) keepQueued(ctx context.Context, c client.Reader, q again) {
	for rest := retryLeast; ; {
		select {
		case <-m.more:
		case <-ctx.Done():
			return
		}
		names, err := m.services(ctx, c)
		switch {
		case err == nil && q.look(ctx, names):
			rest = retryLeast
		case ctx.Err() != nil:
			return
		default:
			rest = min(2*rest, retryMost)
			m.log.Error("endpoints on Nodes that moved keep their regions for now", "error", err, "again_in", rest)
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
			return
		}
	}
}

// followNodes has the Services looked at again whose endpoints are on a Node that is elsewhere than before, until ctx ends.
func (x *exporter) followNodes(ctx context.Context) { x.moved.keepQueued(ctx, x.client, x.again) }

// servicesOn returns the Services with endpoints on Nodes, by namespace and name.
func servicesOn(ctx context.Context, c client.Reader, nodes map[string]bool) ([]federation.ServiceName, error) {
	var list discoveryv1.EndpointSliceList
	if err := c.List(ctx, &list, unwritten, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing EndpointSlices: %w", err)
	}
	found := map[federation.ServiceName]bool{}
	for i := range list.Items {
		slice := &list.Items[i]
		name := federation.ServiceName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
		if name.Name != "" && !found[name] && isOn(slice, nodes) {
			found[name] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), federation.ServiceName.Compare), nil
}

// isOn reports whether an endpoint of this cluster in a slice is on one of nodes.
func isOn(slice *discoveryv1.EndpointSlice, nodes map[string]bool) bool {
	for name := range nodesOf(slice) {
		if nodes[name] {
			return true
		}
	}
	return false
}
