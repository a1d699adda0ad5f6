package dns

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// maxEndpoints bounds the records of one answer: so many AAAA records, of 28 bytes, fit into the 64 KiB
// of a TCP message. The specification allows a subset of a headless service's endpoints (D7).
const maxEndpoints = 2000

// headless answers for the name of a headless service: the ready endpoints of all clusters (D7), without those of
// clusters that are not heard while others have some.
func (c *conversation) headless(s *importer.Service) Reply {
	return c.addresses(ready(s))
}

// endpoint answers for the name of an endpoint: all its ready addresses (D8), though its cluster be demoted, as the name
// means no other. Only headless services have such names; of the others nobody shall choose one cluster (D6).
func (c *conversation) endpoint(s *importer.Service, n name) Reply {
	if s.Type != federation.Headless {
		return c.noName()
	}
	i, exports := slices.BinarySearchFunc(s.Exports, n.cluster, func(x *federation.Export, id federation.ClusterID) int {
		return cmp.Compare(x.Cluster, id)
	})
	if !exports || s.Fate(i) == federation.Withdrawn {
		return c.absent()
	}
	return c.addresses(called(readyOf(s.Exports[i]), n.hostname))
}

// addresses answers with the addresses of endpoints, each once, by one rule for A and AAAA (D9): all, or
// the first maxEndpoints of the family. Of no endpoint there is no name (D10).
func (c *conversation) addresses(endpoints iter.Seq[*federation.Endpoint]) Reply {
	var records []dns.RR
	seen := map[netip.Addr]bool{}
	exist := false
	for e := range endpoints {
		exist = true
		if c.wants(e.Address) && !seen[e.Address] {
			seen[e.Address] = true
			records = append(records, c.zone.address(c.q.Name, e.Address))
		}
		if len(records) == maxEndpoints {
			break
		}
	}
	if !exist {
		return c.absent()
	}
	return c.answer(records, nil)
}

// wants reports whether the question is for addresses of a's family.
func (c *conversation) wants(a netip.Addr) bool {
	return c.q.Qtype == dns.TypeA && a.Is4() || c.q.Qtype == dns.TypeAAAA && a.Is6()
}

// ready yields the ready endpoints of a service, cluster by cluster, whether or not they serve a port. What is
// demoted is none of them: others have ready ones, see importer.Service.
func ready(s *importer.Service) iter.Seq[*federation.Endpoint] {
	return func(yield func(*federation.Endpoint) bool) {
		for i, x := range s.Exports {
			if s.Fate(i) != federation.Served {
				continue
			}
			for e := range readyOf(x) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// readyOf yields the ready endpoints of one cluster.
func readyOf(x *federation.Export) iter.Seq[*federation.Endpoint] {
	return func(yield func(*federation.Endpoint) bool) {
		for i := range x.Subsets {
			for j := range x.Subsets[i].Endpoints {
				e := &x.Subsets[i].Endpoints[j]
				if e.Conditions.Has(federation.Ready) && !yield(e) {
					return
				}
			}
		}
	}
}

// called yields those of the endpoints that have that label.
func called(endpoints iter.Seq[*federation.Endpoint], label string) iter.Seq[*federation.Endpoint] {
	return func(yield func(*federation.Endpoint) bool) {
		var text [64]byte
		for e := range endpoints {
			if string(appendLabel(text[:0], e)) == label && !yield(e) {
				return
			}
		}
	}
}

// appendLabel appends the label of an endpoint: its host name, else its address with dashes, which is
// what CoreDNS makes of it (D8).
func appendLabel(b []byte, e *federation.Endpoint) []byte {
	if e.Hostname != "" {
		return append(b, e.Hostname...)
	}
	start := len(b)
	b = e.Address.AppendTo(b)
	for i := start; i < len(b); i++ {
		if b[i] == '.' || b[i] == ':' {
			b[i] = '-'
		}
	}
	return b
}

func exists[T any](seq iter.Seq[T]) bool {
	for range seq {
		return true
	}
	return false
}
