package stream

import "github.com/hansa-mcs/hansa/federation"

const (
	// maxRecord bounds one record, by sizeOf: a message with one such and many small ones is neither too large nor
	// of too many parts. No service of any cluster comes near.
	maxRecord = 32 << 20
	// recordCost is what a record takes at most beside what is counted below.
	recordCost = 128
	// partCost is what a port, a pair, a subset or an endpoint takes at most beside its texts.
	partCost = 40
)

// sizeOf returns about how many bytes a record takes on the wire, and never less than it does.
func sizeOf(e *federation.Export) int {
	n := recordCost + len(e.Name.Namespace) + len(e.Name.Name) + len(e.TrafficDistribution) + len(e.Network) + len(e.Extra)
	for _, c := range e.Consumers {
		n += partCost + len(c)
	}
	for _, p := range e.Steering.Prefer {
		n += partCost + len(p)
	}
	for i := range e.Steering.Weights {
		n += partCost + len(e.Steering.Weights[i].Cluster)
	}
	for i := range e.Ports {
		n += partCost + len(e.Ports[i].Name) + len(e.Ports[i].AppProtocol)
	}
	for _, pairs := range []map[string]string{e.Labels, e.Annotations} {
		for k, v := range pairs {
			n += partCost + len(k) + len(v)
		}
	}
	return n + sizeOfSubsets(e.Subsets)
}

func sizeOfSubsets(list []federation.Subset) (n int) {
	for i := range list {
		s := &list[i]
		n += partCost
		for j := range s.Ports {
			n += partCost + len(s.Ports[j].Name)
		}
		for j := range s.Endpoints {
			n += partCost + len(s.Endpoints[j].Hostname) + len(s.Endpoints[j].Zone) + len(s.Endpoints[j].Region)
		}
	}
	return n
}
