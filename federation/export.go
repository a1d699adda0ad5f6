package federation

import (
	"bytes"
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ServiceType is the type of a service in the clusterset, in the words of the MCS API.
type ServiceType string

// The types of the MCS API (E7).
const (
	ClusterSetIP ServiceType = "ClusterSetIP"
	Headless     ServiceType = "Headless"
)

// Protocol is the transport protocol of a port, in the words of Kubernetes.
type Protocol string

// The protocols that a Service may have.
const (
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
)

// IPFamily is an address family, in the words of Kubernetes.
type IPFamily string

// The address families that a Service may have.
const (
	IPv4 IPFamily = "IPv4"
	IPv6 IPFamily = "IPv6"
)

// Export is what one cluster says about one of its services. It is immutable once it is in a Store;
// two Exports with equal content are Equal only when both are normalized.
type Export struct {
	Cluster ClusterID
	Name    ServiceName

	// Created is the creationTimestamp of the ServiceExport, in whole seconds: the oldest export
	// decides where exports disagree.
	Created time.Time

	Type       ServiceType
	Ports      []Port     // in the Service's own order
	IPFamilies []IPFamily // in the Service's own order

	SessionAffinity        string // "None" or "ClientIP"
	SessionAffinitySeconds int32  // of ClientIP; 0 where not given
	InternalTrafficPolicy  string // "" where not given
	TrafficDistribution    string // "" where not given

	// Labels and Annotations are the ServiceExport's exportedLabels and exportedAnnotations (E8).
	Labels, Annotations map[string]string

	// Network names the network that the endpoints are reached in; "" is the clusterset's only one.
	Network string

	// Consumers are the clusters that may see the service, beside the owner: IDs, or globs in which * stands for any
	// characters; nil for all. Who sees the service sees them too.
	Consumers []string // sorted, each once

	// Quiet is how long the endpoints stay in use while the owner is not heard.
	Quiet Quiet

	// Steering is how traffic finds its way among the clusters that serve the service.
	Steering Steering

	// Drain is that of the owner's whole cluster.
	Drain Drain

	// Extra is what a later version says of the service beyond the fields of this one, as the wire has it: it
	// is kept and passed on, never looked into.
	Extra []byte

	Subsets []Subset // sorted; see Normalize
}

// Quiet is what an owner says of one service for the time when it cannot be heard; importers fill in what is not
// given.
type Quiet struct {
	Demote   Delay // until endpoints of other clusters go before
	Withdraw Delay // until the endpoints go; 0 for never
}

// Delay is a time that may be given, in whole seconds.
type Delay struct {
	Given bool
	After time.Duration
}

// Port is one port of a Service: what clients connect to.
type Port struct {
	Name        string // "" for a single unnamed port
	Protocol    Protocol
	AppProtocol string // "" where not given
	Number      uint16
}

// Subset is a group of endpoints that serve the same ports, as the EndpointSlices of the owner group
// them.
type Subset struct {
	Ports     []TargetPort // sorted by name
	Endpoints []Endpoint   // sorted by address, then by host name
}

// TargetPort says at which number the endpoints of a Subset serve the Service port of that name.
type TargetPort struct {
	Name     string // of a Port of the same Export
	Protocol Protocol
	Number   uint16
}

// Endpoint is one address behind a service.
type Endpoint struct {
	Address      netip.Addr
	Hostname     string // "" where the owner gave none
	Zone, Region string // topology of its node; "" where not known
	// Node is the name of its node, "" where not known. It means something in the owner's cluster alone
	// and never leaves it: the wire has no such field.
	Node       string
	Conditions Conditions
}

// Conditions are the conditions of an EndpointSlice's endpoint, as bits.
type Conditions uint8

// The conditions of an endpoint. An owner that leaves Ready open means ready (D7); Describe has decided.
const (
	Ready Conditions = 1 << iota
	Serving
	Terminating
)

// Has reports whether all bits of want are set.
func (c Conditions) Has(want Conditions) bool { return c&want == want }

// Normalize sorts and de-duplicates what has no order of its own (subsets, target ports, endpoints), so
// that equal content is equal memory. Subsets with the same ports become one; of two endpoints with
// the same address and host name in one subset the first stays. Call it before the Export is shared.
func (e *Export) Normalize() {
	e.Created = e.Created.UTC().Truncate(time.Second)
	e.Drain.Since = e.Drain.Since.UTC().Truncate(time.Second)
	slices.Sort(e.Consumers)
	e.Consumers = slices.Compact(e.Consumers)
	slices.SortFunc(e.Steering.Weights, compareWeights)
	for i := range e.Subsets {
		slices.SortFunc(e.Subsets[i].Ports, compareTargetPorts)
	}
	slices.SortStableFunc(e.Subsets, compareSubsets)
	merged := e.Subsets[:0]
	for _, s := range e.Subsets {
		if n := len(merged); n > 0 && compareSubsets(merged[n-1], s) == 0 {
			merged[n-1].Endpoints = append(merged[n-1].Endpoints, s.Endpoints...)
		} else {
			merged = append(merged, s)
		}
	}
	e.Subsets = merged
	for i := range e.Subsets {
		s := &e.Subsets[i]
		slices.SortStableFunc(s.Endpoints, compareEndpoints)
		s.Endpoints = slices.CompactFunc(s.Endpoints, func(a, b Endpoint) bool { return compareEndpoints(a, b) == 0 })
	}
	e.Subsets = slices.DeleteFunc(e.Subsets, func(s Subset) bool { return len(s.Endpoints) == 0 })
}

// Equal reports whether both say the same. Both must be normalized.
func (e *Export) Equal(o *Export) bool {
	return e == o || e.sameShape(o) && slices.EqualFunc(e.Subsets, o.Subsets, func(a, b Subset) bool {
		return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
	})
}

func (e *Export) sameShape(o *Export) bool {
	return e.Cluster == o.Cluster && e.Name == o.Name && e.Created.Equal(o.Created) &&
		e.Type == o.Type && slices.Equal(e.Ports, o.Ports) && slices.Equal(e.IPFamilies, o.IPFamilies) &&
		e.SessionAffinity == o.SessionAffinity && e.SessionAffinitySeconds == o.SessionAffinitySeconds &&
		e.InternalTrafficPolicy == o.InternalTrafficPolicy && e.TrafficDistribution == o.TrafficDistribution &&
		e.Network == o.Network && slices.Equal(e.Consumers, o.Consumers) && e.Quiet == o.Quiet && e.Steering.Equal(&o.Steering) &&
		e.Drain.Since.Equal(o.Drain.Since) && e.Drain.Over == o.Drain.Over &&
		bytes.Equal(e.Extra, o.Extra) && maps.Equal(e.Labels, o.Labels) && maps.Equal(e.Annotations, o.Annotations)
}

// CompareAge orders by precedence: the oldest export first, of the same second the lower cluster ID.
func (e *Export) CompareAge(o *Export) int {
	return cmp.Or(e.Created.Compare(o.Created), strings.Compare(string(e.Cluster), string(o.Cluster)))
}

// Usable returns how many endpoints are ready, and how many there are beside them that can be again.
func (e *Export) Usable() (ready, unready int) {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Endpoints {
			switch conditions := e.Subsets[i].Endpoints[j].Conditions; {
			case conditions.Has(Ready):
				ready++
			case !conditions.Has(Terminating):
				unready++
			}
		}
	}
	return ready, unready
}

func compareTargetPorts(a, b TargetPort) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(string(a.Protocol), string(b.Protocol)), cmp.Compare(a.Number, b.Number))
}

func compareSubsets(a, b Subset) int { return slices.CompareFunc(a.Ports, b.Ports, compareTargetPorts) }

func compareEndpoints(a, b Endpoint) int {
	return cmp.Or(a.Address.Compare(b.Address), strings.Compare(a.Hostname, b.Hostname))
}
