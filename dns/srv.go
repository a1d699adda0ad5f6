package dns

import (
	"iter"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// location is where a port of a service is served: what a SRV record says, and an address of its target.
type location struct {
	target  string
	port    uint16
	address netip.Addr
	of      served // the cluster whose endpoint it is; none of a service with addresses of its own
}

// port answers for the name of a port (D4, D11), and for that of a protocol, which only leads to ports.
func (c *conversation) port(s *importer.Service, n name) Reply {
	if !exists(c.locations(s, n)) {
		return c.absent()
	}
	if n.shape == protocolName || c.q.Qtype != dns.TypeSRV {
		return c.noData()
	}
	return c.srv(c.locations(s, n))
}

// bareSRV answers a SRV question for a service itself with the records of all its ports, as the
// conformance suite wants it.
func (c *conversation) bareSRV(s *importer.Service, n name) Reply {
	if s.Type == federation.Headless && !exceeds(c.ready(s), 0) {
		return c.absent()
	}
	return c.srv(c.locations(s, n))
}

// maxExtra is how many additional records there are at most: with more than so many there is no message that has room for
// them beside the answers.
const maxExtra = 1000

// srv answers with a SRV record for each target and port, and each target's addresses. Each is there once,
// though TCP and UDP may have the same number and an endpoint several addresses.
func (c *conversation) srv(locations iter.Seq[location]) Reply {
	type place struct {
		target string
		port   uint16
	}
	type address struct {
		target  string
		address netip.Addr
	}
	var records, extra []dns.RR
	var runs runs
	places, addresses := map[place]bool{}, map[address]bool{}
	for l := range locations {
		if p := (place{l.target, l.port}); !places[p] {
			if len(records) == maxEndpoints {
				break
			}
			places[p] = true
			records = append(records, c.zone.srv(c.q.Name, l.target, l.port))
			if l.of.cluster != "" {
				runs.count(l.of, len(records))
			}
		}
		if a := (address{l.target, l.address}); len(addresses) <= maxExtra && !addresses[a] {
			addresses[a] = true
			extra = append(extra, c.zone.address(l.target, l.address))
		}
	}
	reply := c.answer(records)
	if reply.Shares = runs.shares; len(extra) <= maxExtra {
		reply.Extra = extra
	}
	return reply
}

// locations yields where the ports that n means are served, port by port, cluster by cluster as they are steered to.
func (c *conversation) locations(s *importer.Service, n name) iter.Seq[location] {
	name := c.zone.service(s.Name)
	return func(yield func(location) bool) {
		if s.Type == federation.ClusterSetIP {
			for p := range namedPorts(s, n) {
				for _, ip := range s.IPs { // the service itself, at its own number (D4)
					if !yield(location{target: name, port: p.Number, address: ip}) {
						return
					}
				}
			}
			return
		}
		tiers := 0
		for p := range namedPorts(s, n) {
			for _, of := range c.steerPort(s, p, tiers) {
				tiers = max(tiers, of.Tier+1)
				for l := range endpointLocations(s, p, name, of) {
					if !yield(l) {
						return
					}
				}
			}
		}
	}
}

// endpointLocations yields where the ready endpoints of one cluster, of a headless service of that name, serve a port (D11),
// each at its own number: a client that resolved an endpoint connects to it, as CoreDNS has it too. An endpoint whose name
// would be too long has none (D12).
func endpointLocations(s *importer.Service, p importer.Port, name string, of served) iter.Seq[location] {
	return func(yield func(location) bool) {
		for b := range s.BackendsOf(of.index, p) {
			if !b.Endpoint.Conditions.Has(federation.Ready) {
				continue
			}
			target := string(appendLabel(nil, b.Endpoint)) + "." + string(b.Cluster) + "." + name
			l := location{target: target, port: b.Port, address: b.Endpoint.Address, of: of}
			if len(target) <= maxName && !yield(l) {
				return
			}
		}
	}
}

// namedPorts yields the ports that n means and that an exporting cluster gave their name: an unnamed
// port has no SRV record (D4, D11). A name without port or protocol means any.
func namedPorts(s *importer.Service, n name) iter.Seq[importer.Port] {
	return func(yield func(importer.Port) bool) {
		for _, p := range s.Ports {
			if p.Name == "" || p.Generated ||
				n.port != "" && n.port != p.Name ||
				n.protocol != "" && n.protocol != protocolLabels[p.Protocol] {
				continue
			}
			if !yield(p) {
				return
			}
		}
	}
}

var protocolLabels = map[federation.Protocol]string{federation.TCP: "tcp", federation.UDP: "udp", federation.SCTP: "sctp"}

func exists[T any](seq iter.Seq[T]) bool {
	for range seq {
		return true
	}
	return false
}
