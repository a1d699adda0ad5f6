package report

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// The gates that answers speak of.
const (
	gateDiscovery = "MCSServiceDiscovery"
	gateHost      = "MCSHost"
)

// Gate is a switch of the control plane, and how it stands.
type Gate struct {
	Name string `json:"name"`
	On   bool   `json:"on"`
	// Origin is whose word it stands by: default, environment, flag or configmap; Where is the place of that word, "" for
	// the default.
	Origin string    `json:"origin"`
	Where  string    `json:"where"`
	Since  time.Time `json:"since"`
	// Idle says why it has no effect at present, "" if it has. Means says what it means as it stands.
	Idle  string `json:"idle"`
	Means string `json:"means"`
}

// AutoExport is by which rules Services are exported without a ServiceExport of a person, while gate MCSAutoExport is on.
type AutoExport struct {
	// NamespaceSelector and ServiceSelector are label selectors, "" for all.
	NamespaceSelector string `json:"namespaceSelector"`
	ServiceSelector   string `json:"serviceSelector"`
	// ClusterLocal are the host patterns of --cluster-local, in ClusterDomain. AgentNamespace, among others, stays here
	// without any.
	ClusterLocal   []string `json:"clusterLocal"`
	ClusterDomain  string   `json:"clusterDomain"`
	AgentNamespace string   `json:"agentNamespace"`
	// Made are how many ServiceExports there are of its making. Trouble is why it cannot do what it has to, "" for nothing.
	Made    int    `json:"made"`
	Trouble string `json:"trouble"`
}

// Features answers /v1/features: how the switches stand, and what follows from them.
type Features struct {
	At      time.Time            `json:"at"`
	Cluster federation.ClusterID `json:"cluster"`
	Gates   []Gate               `json:"gates"`
	// Faults are what is wrong with what was said of the gates, each in a sentence.
	Faults []string `json:"faults"`
	// Frozen is since when what is imported stays as it is; null while it does not.
	Frozen     *time.Time `json:"frozen"`
	AutoExport AutoExport `json:"autoExport"`
	// Export is the policy on what may be exported, which auto-export keeps to.
	Export Rules `json:"export"`
}

// Features returns the answer to /v1/features.
func (s *Scene) Features() *Features {
	auto := s.AutoExport
	auto.ClusterLocal = append([]string{}, auto.ClusterLocal...)
	return &Features{
		At: utc(s.Now), Cluster: s.self(), Gates: append([]Gate{}, s.Gates...), Faults: append([]string{}, s.Faults...),
		Frozen: s.Frozen, AutoExport: auto, Export: rules(s.Export),
	}
}

// closed returns the gate of that name if it is off, nil if it is on or not told of.
func (s *Scene) closed(name string) *Gate {
	for i := range s.Gates {
		if s.Gates[i].Name == name && !s.Gates[i].On {
			return &s.Gates[i]
		}
	}
	return nil
}

// by names whose word the gate stands by.
func (g *Gate) by() string {
	if g.Where == "" {
		return g.Origin
	}
	return g.Where
}
