package importer

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/hansa-mcs/hansa/federation"
)

// Service is what this cluster concludes about an exported service. It is immutable.
type Service struct {
	Name federation.ServiceName
	Type federation.ServiceType

	// Ports is the union of the ports of all exports; names are unique, and so are pairs of protocol
	// and number.
	Ports      []Port
	IPFamilies []federation.IPFamily

	SessionAffinity        string // "None" or "ClientIP"
	SessionAffinitySeconds int32  // of ClientIP; 0 where not given
	InternalTrafficPolicy  string // "" where not given
	TrafficDistribution    string // "" where not given

	Labels, Annotations map[string]string // exported ones, one cluster's whole set

	Steering federation.Steering // see Choose

	// Exports are what the Service was concluded from, by cluster ID.
	Exports []*federation.Export

	// Patience is how long clusters may be silent before their endpoints are demoted and withdrawn: as the oldest
	// export says, else as this cluster has it.
	Patience federation.Patience

	// Fates are what becomes of the endpoints of each of the Exports; nil while all are served. See Fate.
	Fates []federation.Fate

	// Drained is how many percent of their traffic the clusters of the Exports have lost; nil where none has lost any. See
	// Lost.
	Drained []uint8

	// Conflicts are what the Exports disagree on; the same in every cluster.
	Conflicts []Conflict

	// IPs are the clusterset IPs in this cluster, by family as in IPFamilies; empty for a Headless
	// service and while none is allocated.
	IPs []netip.Addr

	// Unsupported means that this cluster has none of the IPFamilies: no address will come (I5).
	Unsupported bool
}

// Port is one port of a Service.
type Port struct {
	federation.Port
	// Generated means that no exporting cluster named the port: the name is there because Kubernetes
	// wants one for each of several ports, and has no SRV record (D4).
	Generated bool
}

// Fate returns what becomes of the endpoints of s.Exports[i]. Type, ports and everything else that s says do not depend
// on it: no conflict comes or goes with who hears whom.
func (s *Service) Fate(i int) federation.Fate {
	if s.Fates == nil {
		return federation.Served
	}
	return s.Fates[i]
}

// Lost returns how many percent of its traffic the cluster of s.Exports[i] has lost.
func (s *Service) Lost(i int) uint8 {
	if s.Drained == nil {
		return 0
	}
	return s.Drained[i]
}

// Backend is one endpoint as it serves one port of a Service.
type Backend struct {
	Cluster  federation.ClusterID
	Endpoint *federation.Endpoint
	Port     uint16 // where the endpoint serves the port
	Demoted  bool   // it comes after those that are not
}

// Backends yields, cluster by cluster, the endpoints that serve p, whatever their conditions; none of a cluster whose
// fate is to be withdrawn.
func (s *Service) Backends(p Port) iter.Seq[Backend] {
	return func(yield func(Backend) bool) {
		for n := range s.Exports {
			for b := range s.BackendsOf(n, p) {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// BackendsOf yields those of s.Exports[n].
func (s *Service) BackendsOf(n int, p Port) iter.Seq[Backend] {
	return func(yield func(Backend) bool) {
		e, fate := s.Exports[n], s.Fate(n)
		if fate == federation.Withdrawn {
			return
		}
		for i := range e.Subsets {
			number, ok := TargetPort(e, &e.Subsets[i], p)
			if !ok {
				continue
			}
			for j := range e.Subsets[i].Endpoints {
				if !yield(Backend{Cluster: e.Cluster, Endpoint: &e.Subsets[i].Endpoints[j], Port: number, Demoted: fate == federation.Demoted}) {
					return
				}
			}
		}
	}
}

// TargetPort returns where the endpoints of one subset of e serve p, if they do. A cluster serves a
// port that its own Service has with that protocol and number, under whatever name; so traffic to a
// conflicting port goes only to clusters that expose it.
func TargetPort(e *federation.Export, subset *federation.Subset, p Port) (uint16, bool) {
	i := slices.IndexFunc(e.Ports, func(own federation.Port) bool {
		return own.Protocol == p.Protocol && own.Number == p.Number
	})
	if i < 0 {
		return 0, false
	}
	j := slices.IndexFunc(subset.Ports, func(t federation.TargetPort) bool { return t.Name == e.Ports[i].Name })
	if j < 0 {
		return 0, false
	}
	return subset.Ports[j].Number, true
}

// sameInputs reports whether s was concluded from these Exports, fates, losses and local facts: Merge is a function
// of the Exports, and the Store keeps the pointer of an Export that did not change.
func (s *Service) sameInputs(exports []*federation.Export, fates []federation.Fate, lost []uint8, local local) bool {
	return slices.Equal(s.Exports, exports) && slices.Equal(s.Fates, fates) && slices.Equal(s.Drained, lost) && (s.Type == federation.Headless || slices.Equal(s.IPs, local.ips)) &&
		s.Unsupported == local.lacks(s.IPFamilies)
}
