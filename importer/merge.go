package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// Merge concludes one Service from all exports of it: at least one, of one name, by cluster ID, each of
// another cluster. The result does not depend on anything else, so every member that holds the same
// exports concludes the same (KEP-1645, "Constraints and Conflict Resolution"): the oldest export
// decides (federation.Export.CompareAge), ports are united.
func Merge(exports []*federation.Export) *Service {
	byAge := slices.SortedFunc(slices.Values(exports), (*federation.Export).CompareAge)
	oldest := byAge[0]
	return &Service{
		Name:                   oldest.Name,
		Type:                   oldest.Type,
		Ports:                  mergePorts(byAge),
		IPFamilies:             oldest.IPFamilies,
		SessionAffinity:        oldest.SessionAffinity,
		SessionAffinitySeconds: oldest.SessionAffinitySeconds,
		InternalTrafficPolicy:  oldest.InternalTrafficPolicy,
		TrafficDistribution:    oldest.TrafficDistribution,
		Labels:                 oldest.Labels,
		Annotations:            oldest.Annotations,
		Steering:               oldest.Steering,
		Exports:                exports,
		Conflicts:              conflicts(byAge),
	}
}

// mergePorts unites the ports, the oldest export's first. A port whose name, or whose protocol and
// number, is taken already is a conflict that the older export wins.
func mergePorts(byAge []*federation.Export) []Port {
	var union []Port
	for _, e := range byAge {
		for _, p := range e.Ports {
			if !slices.ContainsFunc(union, func(o Port) bool {
				return o.Name == p.Name || o.Protocol == p.Protocol && o.Number == p.Number
			}) {
				union = append(union, Port{Port: p})
			}
		}
	}
	return nameUnnamed(union)
}

// nameUnnamed gives the unnamed port among several a name, as a Service with several ports must name
// each. There is at most one.
func nameUnnamed(ports []Port) []Port {
	i := slices.IndexFunc(ports, func(p Port) bool { return p.Name == "" })
	if len(ports) > 1 && i >= 0 {
		ports[i].Name, ports[i].Generated = generateName(ports, ports[i]), true
	}
	return ports
}

// generateName returns port-<number>-<protocol>, with a number behind it while another port is called so.
func generateName(ports []Port, unnamed Port) string {
	base := fmt.Sprintf("port-%d-%s", unnamed.Number, strings.ToLower(string(unnamed.Protocol)))
	name := base
	for n := 2; slices.ContainsFunc(ports, func(p Port) bool { return p.Name == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}
