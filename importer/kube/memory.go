package kube

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
)

// exportAnnotation holds, on each slice, what its source cluster said of the service beside endpoints,
// so that an agent that starts knows every cluster's last word before it hears one.
const exportAnnotation = "hansa.dev/export"

// memory is the JSON of exportAnnotation. Fields may be added, none may change its meaning.
type memory struct {
	Created                time.Time              `json:"created"`
	Type                   federation.ServiceType `json:"type"`
	Ports                  []rememberedPort       `json:"ports,omitempty"`
	IPFamilies             []federation.IPFamily  `json:"ipFamilies,omitempty"`
	SessionAffinity        string                 `json:"sessionAffinity"`
	SessionAffinitySeconds int32                  `json:"sessionAffinitySeconds,omitempty"`
	InternalTrafficPolicy  string                 `json:"internalTrafficPolicy,omitempty"`
	TrafficDistribution    string                 `json:"trafficDistribution,omitempty"`
	Labels                 map[string]string      `json:"labels,omitempty"`
	Annotations            map[string]string      `json:"annotations,omitempty"`
	Network                string                 `json:"network,omitempty"`
	Consumers              []string               `json:"consumers,omitempty"`
	DemoteAfter            *int64                 `json:"demoteAfterSeconds,omitempty"`
	WithdrawAfter          *int64                 `json:"withdrawAfterSeconds,omitempty"`
	Prefer                 []string               `json:"prefer,omitempty"`
	Weights                []rememberedWeight     `json:"weights,omitempty"`
	MinHealthy             uint8                  `json:"minHealthyPercent,omitempty"`
	Drain                  string                 `json:"drain,omitempty"`       // as federation.Drain writes it
	TargetPorts            []rememberedTargetPort `json:"targetPorts,omitempty"` // of this slice
	// Regions are those of the zones of this slice's endpoints, "" for none, where all that are in a zone are in one region:
	// no slice has regions itself.
	Regions map[string]string `json:"regions,omitempty"`
	// Demoted says that endpoints of this slice which are ready by the last word of their cluster are written as
	// terminating, because it is not heard.
	Demoted bool `json:"demoted,omitempty"`
	// Lesser says that they are written so because others are preferred.
	Lesser bool `json:"lesser,omitempty"`
	// Withdrawn says that the endpoints of its cluster are left out, because it is not heard for too long.
	Withdrawn bool `json:"withdrawn,omitempty"`
}

// fate returns what became of the endpoints of the slice's cluster.
func (m *memory) fate() federation.Fate {
	switch {
	case m.Withdrawn:
		return federation.Withdrawn
	case m.Demoted:
		return federation.Demoted
	}
	return federation.Served
}

type rememberedPort struct {
	Name        string              `json:"name,omitempty"`
	Protocol    federation.Protocol `json:"protocol"`
	AppProtocol string              `json:"appProtocol,omitempty"`
	Number      uint16              `json:"port"`
}

type rememberedTargetPort struct {
	Name     string              `json:"name,omitempty"`
	Protocol federation.Protocol `json:"protocol"`
	Number   uint16              `json:"port"`
}

type rememberedWeight struct {
	Cluster federation.ClusterID `json:"cluster"`
	Weight  uint16               `json:"weight"`
}

// remember returns the annotation of a slice that holds endpoints of a subset of e, as a cluster of that standing has them.
func remember(e *federation.Export, subset *federation.Subset, of standing) string {
	m := memory{
		Created:                e.Created,
		Type:                   e.Type,
		IPFamilies:             e.IPFamilies,
		SessionAffinity:        e.SessionAffinity,
		SessionAffinitySeconds: e.SessionAffinitySeconds,
		InternalTrafficPolicy:  e.InternalTrafficPolicy,
		TrafficDistribution:    e.TrafficDistribution,
		Labels:                 e.Labels,
		Annotations:            e.Annotations,
		Network:                e.Network,
		Consumers:              e.Consumers,
		DemoteAfter:            rememberDelay(e.Quiet.Demote),
		WithdrawAfter:          rememberDelay(e.Quiet.Withdraw),
		Prefer:                 e.Steering.Prefer,
		MinHealthy:             e.Steering.MinHealthy,
		Demoted:                of.fate == federation.Demoted,
		Lesser:                 of.lesser,
		Withdrawn:              of.fate == federation.Withdrawn,
		Regions:                rememberRegions(subset.Endpoints),
	}
	if e.Drain.Given() {
		m.Drain = e.Drain.String()
	}
	for _, w := range e.Steering.Weights {
		m.Weights = append(m.Weights, rememberedWeight(w))
	}
	for _, p := range e.Ports {
		m.Ports = append(m.Ports, rememberedPort(p))
	}
	for _, p := range subset.Ports {
		m.TargetPorts = append(m.TargetPorts, rememberedTargetPort(p))
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false) // six bytes for one would reach the API server's limit
	if err := encoder.Encode(m); err != nil {
		return "" // remembers nothing; no field of an Export that passed Check can fail
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// Recall rebuilds from our slices what every cluster said last. A slice that cannot be read is left out
// and reported. The Exports are normalized and pass Check.
func Recall(list []*discoveryv1.EndpointSlice) (map[federation.ClusterID][]*federation.Export, []error) {
	type id struct {
		cluster federation.ClusterID
		name    federation.ServiceName
	}
	exports := map[id]*federation.Export{}
	var bad []error
	for _, s := range list {
		if !ours(s) {
			continue
		}
		name, _ := nameOf(s)
		if derivedOf(s.Name) != DerivedName(name) {
			bad = append(bad, fmt.Errorf("EndpointSlice %s/%s: label %s does not belong to its name", s.Namespace, s.Name, mcsv1beta1.LabelServiceName))
			continue
		}
		e, err := recallSlice(name, s)
		if err != nil {
			bad = append(bad, fmt.Errorf("EndpointSlice %s/%s: %w", s.Namespace, s.Name, err))
			continue
		}
		if before := exports[id{e.Cluster, name}]; before != nil {
			before.Subsets = append(before.Subsets, e.Subsets...)
		} else {
			exports[id{e.Cluster, name}] = e
		}
	}
	byCluster := map[federation.ClusterID][]*federation.Export{}
	for _, e := range exports {
		e.Normalize()
		byCluster[e.Cluster] = append(byCluster[e.Cluster], e)
	}
	return byCluster, bad
}

// RecallFate returns what became of the endpoints of the cluster that one of our slices is of, when it was written.
func RecallFate(s *discoveryv1.EndpointSlice) federation.Fate {
	var m memory
	if json.Unmarshal([]byte(s.Annotations[exportAnnotation]), &m) != nil {
		return federation.Served
	}
	return m.fate()
}

func recallSlice(name federation.ServiceName, s *discoveryv1.EndpointSlice) (*federation.Export, error) {
	var m memory
	if err := json.Unmarshal([]byte(s.Annotations[exportAnnotation]), &m); err != nil {
		return nil, fmt.Errorf("annotation %s: %w", exportAnnotation, err)
	}
	e := &federation.Export{
		Cluster:                sourceOf(s),
		Name:                   name,
		Created:                m.Created.UTC(), // so that Check sees the year that remember will write
		Type:                   m.Type,
		IPFamilies:             m.IPFamilies,
		SessionAffinity:        m.SessionAffinity,
		SessionAffinitySeconds: m.SessionAffinitySeconds,
		InternalTrafficPolicy:  m.InternalTrafficPolicy,
		TrafficDistribution:    m.TrafficDistribution,
		Labels:                 m.Labels,
		Annotations:            m.Annotations,
		Network:                m.Network,
		Consumers:              m.Consumers,
		Quiet:                  federation.Quiet{Demote: recallDelay(m.DemoteAfter), Withdraw: recallDelay(m.WithdrawAfter)},
		Steering:               federation.Steering{Prefer: m.Prefer, MinHealthy: m.MinHealthy},
	}
	if m.Drain != "" {
		drain, err := federation.ParseDrain(m.Drain)
		if err != nil {
			return nil, fmt.Errorf("annotation %s: %w", exportAnnotation, err)
		}
		e.Drain = drain
	}
	for _, w := range m.Weights {
		e.Steering.Weights = append(e.Steering.Weights, federation.Weight(w))
	}
	for _, p := range m.Ports {
		e.Ports = append(e.Ports, federation.Port(p))
	}
	subset := federation.Subset{Endpoints: recallEndpoints(s, &m)}
	for _, p := range m.TargetPorts {
		subset.Ports = append(subset.Ports, federation.TargetPort(p))
	}
	e.Subsets = []federation.Subset{subset}
	return e, e.Check()
}

// rememberDelay returns whole seconds, nil where none are given.
func rememberDelay(d federation.Delay) *int64 {
	if !d.Given {
		return nil
	}
	return new(int64(d.After / time.Second))
}

func recallDelay(seconds *int64) federation.Delay {
	if seconds == nil {
		return federation.Delay{}
	}
	return federation.Delay{Given: true, After: time.Duration(*seconds) * time.Second}
}

func recallEndpoints(s *discoveryv1.EndpointSlice, m *memory) []federation.Endpoint {
	var out []federation.Endpoint
	for _, ep := range s.Endpoints {
		if len(ep.Addresses) == 0 {
			continue
		}
		address, err := netip.ParseAddr(ep.Addresses[0])
		if err != nil {
			continue
		}
		out = append(out, federation.Endpoint{
			Address:    address,
			Hostname:   ptr.Deref(ep.Hostname, ""),
			Zone:       ptr.Deref(ep.Zone, ""),
			Region:     m.Regions[ptr.Deref(ep.Zone, "")],
			Node:       ptr.Deref(ep.NodeName, ""),
			Conditions: recallConditions(ep.Conditions, m.Demoted || m.Lesser),
		})
	}
	return slices.Clip(out)
}

// maxRegions bounds how many bytes of zones and regions one annotation has: a hand-made EndpointSlice may name a zone for
// each endpoint, and an API server takes only so much.
const maxRegions = 2 << 10

// rememberRegions returns the regions of zones whose endpoints are all in one, the first by name where they are too many.
func rememberRegions(endpoints []federation.Endpoint) map[string]string {
	regions := map[string]string{}
	for _, ep := range endpoints {
		if former, met := regions[ep.Zone]; met && former != ep.Region {
			regions[ep.Zone] = "" // and so it stays
		} else {
			regions[ep.Zone] = ep.Region
		}
	}
	size := 0
	for _, zone := range slices.Sorted(maps.Keys(regions)) {
		if size += len(zone) + len(regions[zone]); regions[zone] == "" || size > maxRegions {
			delete(regions, zone)
		}
	}
	return regions
}

// recallConditions returns what the cluster said, also of what was written as if it terminated.
func recallConditions(c discoveryv1.EndpointConditions, last bool) (out federation.Conditions) {
	for bit, set := range map[federation.Conditions]*bool{
		federation.Ready: c.Ready, federation.Serving: c.Serving, federation.Terminating: c.Terminating,
	} {
		if ptr.Deref(set, false) {
			out |= bit
		}
	}
	if last && out == federation.Serving|federation.Terminating {
		return federation.Ready | federation.Serving
	}
	return out
}
