package kube

import (
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// The order of what waits to be written: what sends clients to nobody comes first.
const (
	usual  = 0
	urgent = 10
)

// urgency puts removals and first endpoints ahead of the rest: a client that is sent to an endpoint which is
// gone, or to none though there is one, fails; one that is not yet sent to one more does not.
func urgency(change importer.Change) int {
	if change.Old == nil || change.New == nil {
		return urgent
	}
	before, after := usable(change.Old), usable(change.New)
	if before == 0 || after < before {
		return urgent
	}
	return usual
}

// usable counts the endpoints that are ready, of clusters that are heard.
func usable(s *importer.Service) (n int) {
	for i, e := range s.Exports {
		if s.Fate(i) != federation.Served {
			continue
		}
		for i := range e.Subsets {
			for _, ep := range e.Subsets[i].Endpoints {
				if ep.Conditions.Has(federation.Ready) {
					n++
				}
			}
		}
	}
	return n
}
