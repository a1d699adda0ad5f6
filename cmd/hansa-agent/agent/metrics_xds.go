package agent

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/importer/xds"
)

// xdsNumbers are those of what serves xDS.
type xdsNumbers struct {
	delta, sotw      int // clients
	responses, nacks uint64
	slow, turned     uint64 // clients
	quarantined      int    // resources
}

func newXDSNumbers(s *xds.Server) *xdsNumbers {
	n := &xdsNumbers{responses: s.Pushes(), nacks: s.Refusals(), slow: s.Cuts(), turned: s.TurnedAway(), quarantined: len(s.Quarantined())}
	n.delta, n.sotw = s.Streams()
	return n
}

func (n *xdsNumbers) show(ch chan<- prometheus.Metric) {
	xdsStreams.send(ch, float64(n.delta), report.VariantDelta)
	xdsStreams.send(ch, float64(n.sotw), report.VariantSotW)
	xdsResponses.send(ch, float64(n.responses))
	xdsRefusals.send(ch, float64(n.nacks))
	xdsSlow.send(ch, float64(n.slow))
	xdsTurned.send(ch, float64(n.turned))
	xdsQuarantined.send(ch, float64(n.quarantined))
}
