package agent

import (
	"log/slog"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// dooming is which clusters' endpoints are demoted or withdrawn, by cluster.
type dooming struct {
	*latest[importer.Fated]
	log *slog.Logger
}

func newDooming(log *slog.Logger) *dooming { return &dooming{newLatest[importer.Fated](), log} }

// take is what the importer tells of them.
func (d *dooming) take(list []importer.Fated) {
	before := d.set(list)
	for _, f := range list {
		was := fatedOf(before, f.Cluster)
		if f.Demoted() > 0 && was.Demoted() == 0 {
			d.log.Warn("the endpoints of a cluster are demoted, as it is not heard, or was too seldom", "peer", f.Cluster, "behind_others_in_services", f.Behind, "alone_in_services", f.Alone, "of_services", f.Services)
		}
		if f.Withdrawn > 0 && was.Withdrawn == 0 {
			d.log.Warn("the endpoints of a cluster are withdrawn, as it is not heard", "peer", f.Cluster, "in_services", f.Withdrawn, "of_services", f.Services)
		}
	}
	for _, f := range before {
		if fatedOf(list, f.Cluster) == (importer.Fated{}) {
			d.log.Info("no endpoints of a cluster are demoted or withdrawn any more", "peer", f.Cluster)
		}
	}
}

// fatedOf returns how many services feel the fate of a cluster, the zero value if none does.
func fatedOf(list []importer.Fated, cluster federation.ClusterID) importer.Fated {
	for _, f := range list {
		if f.Cluster == cluster {
			return f
		}
	}
	return importer.Fated{}
}
