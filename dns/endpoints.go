package dns

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// maxEndpoints bounds the hosts that one name is answered with, and its records. No message has room for so many: of what
// does not fit, each reply has another part (D7).
const maxEndpoints = 20000

// headless answers for the name of a headless service: the ready endpoints of all clusters (D7), this cluster's first unless
// its owner wishes otherwise, without those of clusters that are not heard, or drained, while others have some.
func (c *conversation) headless(s *importer.Service) Reply {
	return c.addresses(c.ready(s))
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
	return c.addresses(called(s.Exports[i], n.hostname))
}

// host tells endpoints apart by their names: what has one name in one cluster is one host, with an address of each family
// perhaps.
type host struct {
	cluster  federation.ClusterID
	hostname string
	address  netip.Addr // of one without a host name
}

func hostOf(cluster federation.ClusterID, e *federation.Endpoint) host {
	if e.Hostname != "" {
		return host{cluster: cluster, hostname: e.Hostname}
	}
	return host{cluster: cluster, address: e.Address}
}

// addresses answers with the addresses of endpoints, each once: of all hosts, or of the first maxEndpoints, whichever the
// family, so that A and AAAA are of the same (D9). Of no endpoint there is no name (D10).
func (c *conversation) addresses(endpoints iter.Seq2[served, *federation.Endpoint]) Reply {
	var records []dns.RR
	var runs runs
	all := 0
	chosen, seen := map[host]bool{}, map[netip.Addr]bool{}
	huge := exceeds(endpoints, maxEndpoints)
	for of, e := range endpoints {
		all++
		if huge {
			h := hostOf(of.cluster, e)
			if len(chosen) == maxEndpoints && !chosen[h] {
				continue
			}
			chosen[h] = true
		}
		if c.wants(e.Address) && !seen[e.Address] && len(records) < maxEndpoints {
			seen[e.Address] = true
			records = append(records, c.zone.address(c.q.Name, e.Address))
			runs.count(of, len(records))
		}
	}
	if all == 0 {
		return c.absent()
	}
	reply := c.answer(records)
	reply.Shares = runs.shares
	return reply
}

// exceeds reports whether there are more than n.
func exceeds[K, V any](seq iter.Seq2[K, V], n int) bool {
	for range seq {
		if n--; n < 0 {
			return true
		}
	}
	return false
}

// wants reports whether the question is for addresses of a's family.
func (c *conversation) wants(a netip.Addr) bool {
	return c.q.Qtype == dns.TypeA && a.Is4() || c.q.Qtype == dns.TypeAAAA && a.Is6()
}

// ready yields the ready endpoints of a service, cluster by cluster as they are steered to, whether or not they serve a port.
// Those of all families count: who asks for A and for AAAA is led to the same hosts (D9).
func (c *conversation) ready(s *importer.Service) iter.Seq2[served, *federation.Endpoint] {
	return func(yield func(served, *federation.Endpoint) bool) {
		for _, of := range c.steer(s, func(i int) (ready, unready int) { return s.Exports[i].Usable() }) {
			for e := range readyOf(s.Exports[of.index]) {
				if !yield(of, e) {
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

// called yields those of the ready endpoints of one cluster that have that label.
func called(x *federation.Export, label string) iter.Seq2[served, *federation.Endpoint] {
	address := labelled(label)
	of := served{cluster: x.Cluster, Choice: importer.Choice{Load: 1}}
	return func(yield func(served, *federation.Endpoint) bool) {
		for e := range readyOf(x) {
			named := e.Hostname != "" && e.Hostname == label || e.Hostname == "" && e.Address == address
			if named && !yield(of, e) {
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
	return appendDashed(b, e.Address)
}

// appendDashed appends an address with dashes. No label ends in one, so a 0 follows the last of such as fd00::.
func appendDashed(b []byte, address netip.Addr) []byte {
	start := len(b)
	b = address.AppendTo(b)
	for i := start; i < len(b); i++ {
		if b[i] == '.' || b[i] == ':' {
			b[i] = '-'
		}
	}
	if b[len(b)-1] == '-' {
		b = append(b, '0')
	}
	return b
}

// labelled returns the address whose label that is, the zero one if none.
func labelled(label string) netip.Addr {
	for _, separator := range []string{".", ":"} {
		address, err := netip.ParseAddr(strings.ReplaceAll(label, "-", separator))
		if err != nil {
			continue
		}
		var b [64]byte
		if string(appendDashed(b[:0], address)) == label { // there is one spelling of it
			return address
		}
	}
	return netip.Addr{}
}
