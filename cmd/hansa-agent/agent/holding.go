package agent

import (
	"log/slog"
	"slices"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// holding is which clusters' mass withdrawals are not believed yet.
type holding struct {
	log *slog.Logger

	mu      sync.Mutex
	list    []importer.Held
	changed chan struct{} // closes when list is another
}

func newHolding(log *slog.Logger) *holding {
	return &holding{log: log, changed: make(chan struct{})}
}

// take is what the importer tells of them.
func (h *holding) take(list []importer.Held) {
	h.mu.Lock()
	before := h.list
	h.list = slices.Clone(list)
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
	for _, held := range list {
		if heldOf(before, held.Cluster) == nil {
			h.log.Warn("a cluster lost more than half of what it had, and did not say that it means to; it goes on being served for a while", "peer", held.Cluster, "services", held.Services, "until", held.Until.UTC())
		}
	}
	for _, held := range before {
		if heldOf(list, held.Cluster) == nil {
			h.log.Info("what a cluster lost is held no longer", "peer", held.Cluster)
		}
	}
}

// now returns them by cluster, and a channel that closes when they are others.
func (h *holding) now() ([]importer.Held, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list, h.changed
}

// heldOf returns what is held of a cluster, nil for nothing.
func heldOf(list []importer.Held, cluster federation.ClusterID) *importer.Held {
	for i := range list {
		if list[i].Cluster == cluster {
			return &list[i]
		}
	}
	return nil
}
