package kube

import (
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// standing is how the endpoints of a cluster stand beside those of others.
type standing struct {
	fate   federation.Fate
	lesser bool // others are preferred, of which some are ready
}

// alike is the preference of who prefers nobody, as kube-proxy has it.
var alike = []string{federation.NearAny}

// stand returns how each of the exports stands in this cluster. Slices know two tiers: kube-proxy takes those that are ready
// all alike, and those that terminate where none is. Without a wish of the owner all are alike. Where in this cluster a
// client is makes no difference, as all share the slices.
func stand(want *importer.Service, self federation.ClusterID) []standing {
	list := make([]standing, len(want.Exports))
	candidates := make([]importer.Candidate, len(want.Exports))
	for i, e := range want.Exports {
		list[i].fate = want.Fate(i)
		candidates[i] = importer.Candidate{Place: importer.Place{Cluster: e.Cluster}, Demoted: list[i].fate == federation.Demoted, Drained: want.Lost(i)}
		if list[i].fate != federation.Withdrawn {
			candidates[i].Ready, candidates[i].Unready = e.Usable()
		}
	}
	if !want.Steering.Given() && want.Drained == nil {
		return list
	}
	wish := want.Steering
	if len(wish.Prefer) == 0 {
		wish.Prefer = alike
	}
	for i, choice := range importer.Steer(&wish, importer.Place{Cluster: self}, candidates) {
		list[i].lesser = choice.Tier != 0 && candidates[i].Ready > 0
	}
	return list
}

// write returns an endpoint as slices have it. One that is ready but comes after others goes on serving as if it
// terminated: kube-proxy turns to such endpoints once none is ready, and CoreDNS leaves them out. Then nothing else may
// look like that, so that recallConditions can tell.
func (s standing) write(ep federation.Endpoint) federation.Endpoint {
	if s.fate == federation.Demoted || s.lesser {
		if ep.Conditions.Has(federation.Ready) {
			ep.Conditions = federation.Serving | federation.Terminating
		} else if ep.Conditions.Has(federation.Terminating) {
			ep.Conditions = federation.Terminating
		}
	}
	return ep
}

// fateOfNone returns what an empty slice remembers: that endpoints are withdrawn. Where there are none nothing is.
func fateOfNone(e *federation.Export, fate federation.Fate) federation.Fate {
	if fate == federation.Withdrawn && e.EndpointCount() > 0 {
		return fate
	}
	return federation.Served
}
