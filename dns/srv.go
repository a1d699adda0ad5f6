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
}

// port answers for the name of a port (D4, D11), and for that of a protocol, which only leads to ports.
func (c *conversation) port(s *importer.Service, n name) Reply {
	if !exists(c.locations(s, n)) {
		return c.absent()
	}
	if n.shape == protocolName || c.q.Qtype != dns.TypeSRV {
		return c.noData()
	}
	return c.answer(c.srv(c.locations(s, n)))
}

// bareSRV answers a SRV question for a service itself with the records of all its ports, as the
// conformance suite wants it.
func (c *conversation) bareSRV(s *importer.Service, n name) Reply {
	if s.Type == federation.Headless && !exists(ready(s)) {
		return c.absent()
	}
	return c.answer(c.srv(c.locations(s, n)))
}

// srv returns a SRV record for each target and port, and each target's addresses. Each is there once,
// though TCP and UDP may have the same number and an endpoint several addresses.
func (c *conversation) srv(locations iter.Seq[location]) (records, extra []dns.RR) {
	type place struct {
		target string
		port   uint16
	}
	type host struct {
		target  string
		address netip.Addr
	}
	places, hosts := map[place]bool{}, map[host]bool{}
	for l := range locations {
		if p := (place{l.target, l.port}); !places[p] {
			if len(records) == maxEndpoints {
				break
			}
			places[p] = true
			records = append(records, c.zone.srv(c.q.Name, l.target, l.port))
		}
		if h := (host{l.target, l.address}); !hosts[h] && len(extra) < maxEndpoints {
			hosts[h] = true
			extra = append(extra, c.zone.address(l.target, l.address))
		}
	}
	return records, extra
}

// locations yields where the ports that n means are served.
func (c *conversation) locations(s *importer.Service, n name) iter.Seq[location] {
	name := c.zone.service(s.Name)
	return func(yield func(location) bool) {
		for p := range namedPorts(s, n) {
			from := portLocations(s, p, name)
			if s.Type == federation.Headless {
				from = endpointLocations(s, p, name)
			}
			for l := range from {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// portLocations yields where a service of that name serves a port: itself, at the Service's number (D4).
func portLocations(s *importer.Service, p importer.Port, name string) iter.Seq[location] {
	return func(yield func(location) bool) {
		for _, ip := range s.IPs {
			if !yield(location{target: name, port: p.Number, address: ip}) {
				return
			}
		}
	}
}

// endpointLocations yields where the ready endpoints of a headless service of that name serve a port
// (D11), each at its own number: a client that resolved an endpoint connects to it, as CoreDNS has it
// too. An endpoint whose name would be too long has none (D12).
func endpointLocations(s *importer.Service, p importer.Port, name string) iter.Seq[location] {
	return func(yield func(location) bool) {
		for b := range s.Backends(p) {
			if b.Demoted || !b.Endpoint.Conditions.Has(federation.Ready) {
				continue
			}
			target := string(appendLabel(nil, b.Endpoint)) + "." + string(b.Cluster) + "." + name
			if len(target) <= maxName && !yield(location{target: target, port: b.Port, address: b.Endpoint.Address}) {
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
