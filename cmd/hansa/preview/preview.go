// Package preview says what would come of an export before it is made.
//
// In: a Scene, which is the ServiceExport as it would be, the Service that it is of, and what an agent of the cluster reports.
// Out: a Preview, by the functions by which agents themselves conclude: exporter.Describe, importer.Merge and
// kube.ServiceImport. Nothing here asks anybody or knows the time.
//
// What it cannot know is what clusters say that keep it from this one, and which namespaces others import.
package preview

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/importer/kube"
)

// Scene is what is known before an export is made.
type Scene struct {
	Export  *mcsv1beta1.ServiceExport // as it would be
	Service *corev1.Service           // nil for none of that name
	Slices  []*discoveryv1.EndpointSlice

	Status      *report.Status      // of the cluster that exports
	Explanation *report.Explanation // of the service, from there
}

// Preview is what would come of an export.
type Preview struct {
	Cluster   federation.ClusterID `json:"cluster"`
	Namespace string               `json:"namespace"`
	Name      string               `json:"name"`
	// Exported says whether anything would be exported, Reason and Message are those of the condition that says it.
	Exported  bool   `json:"exported"`
	Reason    string `json:"reason"`
	Message   string `json:"message"`
	Endpoints int    `json:"endpoints"`

	Conflicts []Conflict `json:"conflicts"`
	Clusters  []Viewer   `json:"clusters"` // each other one that is known, by ID
	// ServiceImport is what those who see the export would make, but for the addresses that each allocates; null if
	// nothing would be exported.
	ServiceImport map[string]any `json:"serviceImport"`
}

// Conflict is one property on which the clusters would disagree.
type Conflict struct {
	report.Conflict
	New bool `json:"new"` // it is not there now
}

// Viewer is another cluster.
type Viewer struct {
	Cluster federation.ClusterID `json:"cluster"`
	State   report.State         `json:"state"`
	Sees    bool                 `json:"sees"`
	Why     string               `json:"why"` // it does not
}

// Preview returns what would come of the export. It fails if what the agent reported cannot be read.
func (s Scene) Preview() (*Preview, error) {
	policy, err := s.Status.Policy.Export.Namespaces()
	if err != nil {
		return nil, fmt.Errorf("reading the agent's export policy: %w", err)
	}
	self := s.Status.Cluster
	others, former := s.words(self)
	export, status := exporter.Describe(self, policy, s.Export, s.Service, s.Slices, nil, former)
	p := &Preview{
		Cluster: self, Namespace: s.Export.Namespace, Name: s.Export.Name,
		Exported: export != nil, Reason: status.Ready.Reason, Message: status.Ready.Message,
		Conflicts: []Conflict{}, Clusters: []Viewer{},
	}
	if status.Valid.Status != metav1.ConditionTrue {
		p.Reason, p.Message = status.Valid.Reason, status.Valid.Message
	}
	if s.Status.Agent.Departure != "" {
		export, p.Exported = nil, false
		p.Reason, p.Message = string(mcsv1beta1.ServiceExportReasonPending), "this cluster is out of the clusterset, or about to be"
	}
	if by := s.silenced(); by != "" {
		export, p.Exported = nil, false
		p.Reason, p.Message = string(mcsv1beta1.ServiceExportReasonPending), fmt.Sprintf("gate %s is off, by %s: nothing is announced", features.ServiceDiscovery, by)
	}
	for _, peer := range s.Status.Peers {
		p.Clusters = append(p.Clusters, viewer(peer, export, policy))
	}
	if export == nil {
		return p, nil
	}
	p.Endpoints = export.EndpointCount()
	return p, s.merge(p, export, others)
}

// silenced returns by whose word MCSServiceDiscovery is off, "" if it is on, or the agent knows no gates.
func (s Scene) silenced() string {
	g := gate(s.Status.Gates, features.ServiceDiscovery)
	if g == nil || g.On {
		return ""
	}
	return cmp.Or(g.Where, g.Origin)
}

// gate returns one of those that an agent tells of, nil if it does not.
func gate(all []report.Gate, name features.Gate) *report.Gate {
	i := slices.IndexFunc(all, func(g report.Gate) bool { return g.Name == string(name) })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// words returns what other clusters say of the service, and what this one says now, nil for nothing.
func (s Scene) words(self federation.ClusterID) (others []*federation.Export, ours *federation.Export) {
	for _, e := range s.Explanation.Federation() {
		if e.Cluster == self {
			ours = e
		} else {
			others = append(others, e)
		}
	}
	return others, ours
}

// merge adds what the clusters would conclude.
func (s Scene) merge(p *Preview, export *federation.Export, others []*federation.Export) error {
	all := append(others, export)
	slices.SortFunc(all, func(a, b *federation.Export) int { return cmp.Compare(a.Cluster, b.Cluster) })
	service := importer.Merge(all)
	made, err := runtime.DefaultUnstructuredConverter.ToUnstructured(kube.ServiceImport(service))
	if err != nil {
		return fmt.Errorf("encoding the ServiceImport: %w", err)
	}
	made["apiVersion"], made["kind"] = mcsv1beta1.SchemeGroupVersion.String(), "ServiceImport"
	delete(made, "status")
	p.ServiceImport = made
	for _, c := range service.Conflicts {
		now := func(known report.Conflict) bool { return known.Reason == c.Reason }
		p.Conflicts = append(p.Conflicts, Conflict{report.ConflictOf(c, all), !slices.ContainsFunc(s.Explanation.Conflicts, now)})
	}
	return nil
}

// viewer says whether another cluster would see the export.
func viewer(peer report.Peer, export *federation.Export, policy federation.Namespaces) Viewer {
	v := Viewer{Cluster: peer.Cluster, State: peer.State}
	switch {
	case export == nil:
		v.Why = "nothing is exported"
	case policy.Audience(export).Has(peer.Cluster):
		v.Sees = true
	default:
		v.Why = "it is not among those that --to names"
		if bar := policy.Bars(peer.Cluster, export.Name.Namespace); bar != "" {
			v.Why = "by the agents' export policy the namespace is " + bar
		}
	}
	return v
}
