package agent

import (
	"log/slog"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// holding is which clusters' mass withdrawals are not believed yet, by cluster.
type holding struct {
	*latest[importer.Held]
	log *slog.Logger
}

func newHolding(log *slog.Logger) *holding { return &holding{newLatest[importer.Held](), log} }

// take is what the importer tells of them.
func (h *holding) take(list []importer.Held) {
	before := h.set(list)
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

// heldOf returns what is held of a cluster, nil for nothing.
func heldOf(list []importer.Held, cluster federation.ClusterID) *importer.Held {
	for i := range list {
		if list[i].Cluster == cluster {
			return &list[i]
		}
	}
	return nil
}
