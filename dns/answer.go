package dns

import (
	"net/netip"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Knowledge says what may be concluded from a View, above all from what it lacks.
type Knowledge int

const (
	// Nothing may be concluded: the importer has not published a View for clients yet.
	Nothing Knowledge = iota
	// Partial means that what is in the View is so, but a known cluster was not heard since the start.
	Partial
	// Complete means that what is not in the View does not exist.
	Complete
)

// Reply is what Answer has to say. Its records are new; they may be kept and changed.
type Reply struct {
	Rcode         int // of the DNS, as dns.RcodeSuccess
	Authoritative bool
	Answer, Extra []dns.RR
	// Shares are of which clusters the records of Answer are, by tier; nil where they are of none. Which record of a tier
	// comes before which other of it means nothing.
	Shares []Share
	// Denial says that the zone's SOA goes along, as the name or the type is not there.
	Denial bool
	// Of is the Service without whose replacement the reply stays what it is; nil if it depends on more.
	Of *importer.Service
}

// Answer returns what is to be said to a question with a fully qualified name. It is a function of its
// arguments and may be called from any goroutine. The View must be that of the clusterset, see View.Clusterset.
//
// Names are compared without regard to case, and answers repeat the question's. Other zones, other
// classes than IN and the types that are not of one record (ANY, AXFR, IXFR) are REFUSED. A name that
// the View lacks is NXDOMAIN only when the knowledge is Complete, else SERVFAIL: resolvers remember a
// denial. So is a ClusterSetIP service to which no address is allocated yet. Denials carry the SOA
// (RFC 2308). Where a gate closes the names of the clusterset there are none, whatever is not known yet.
//
// The zone's name server has the address at which the question arrived.
func Answer(view *importer.View, known Knowledge, zone Zone, q dns.Question, at netip.Addr) Reply {
	before, inside := zone.within(q.Name)
	if !inside || q.Qclass != dns.ClassINET || isMeta(q.Qtype) {
		return Reply{Rcode: dns.RcodeRefused}
	}
	if known == Nothing {
		return failure()
	}
	if !view.Gates.Discovery || !view.Gates.Hosts {
		known = Complete
	}
	c := &conversation{view: view, known: known, zone: zone, q: q, at: at}
	switch n := parse(before); n.shape {
	case apex:
		return c.apex()
	case schema:
		return c.only(version(q.Name))
	case between:
		return c.noData()
	case nameServer:
		return c.nameServer()
	case namespaceName:
		if !view.HasNamespace(n.service.Namespace) {
			return c.absent()
		}
		return c.noData()
	case serviceName, protocolName, portName, endpointName:
		s := c.view.Service(n.service)
		if s == nil {
			return c.absent()
		}
		reply := c.service(s, n)
		if reply.Rcode == dns.RcodeSuccess {
			reply.Of = s
		}
		return reply
	default:
		return c.noName()
	}
}

// isMeta reports whether a question type is none that a record can have (RFC 6895, section 3.1).
func isMeta(qtype uint16) bool { return qtype >= 128 && qtype <= 255 }

// conversation is one question and all that its answer depends on.
type conversation struct {
	view  *importer.View
	known Knowledge
	zone  Zone
	q     dns.Question
	at    netip.Addr
}

func (c *conversation) apex() Reply {
	switch c.q.Qtype {
	case dns.TypeSOA:
		return c.answer([]dns.RR{c.zone.soa(c.q.Name, c.view.Revision)})
	case dns.TypeNS:
		reply := c.answer([]dns.RR{c.zone.ns(c.q.Name)})
		if c.at.IsValid() {
			reply.Extra = []dns.RR{c.zone.address(c.zone.nameServer(), c.at)}
		}
		return reply
	}
	return c.noData()
}

// nameServer answers for the zone's name server. Who asks is already there.
func (c *conversation) nameServer() Reply {
	if c.at.IsValid() && c.wants(c.at) {
		return c.answer([]dns.RR{c.zone.address(c.q.Name, c.at)})
	}
	return c.noData()
}

// service answers for the names of one service.
func (c *conversation) service(s *importer.Service, n name) Reply {
	switch {
	case n.shape == endpointName:
		return c.endpoint(s, n)
	case s.Type == federation.ClusterSetIP && len(s.IPs) == 0 && !s.Unsupported:
		return failure()
	case n.shape != serviceName:
		return c.port(s, n)
	case c.q.Qtype == dns.TypeSRV:
		return c.bareSRV(s, n)
	case s.Type == federation.Headless:
		return c.headless(s)
	}
	return c.clusterSetIP(s)
}

// clusterSetIP answers for the name of a service with addresses of its own, which is there for every
// type (D3).
func (c *conversation) clusterSetIP(s *importer.Service) Reply {
	var records []dns.RR
	for _, ip := range s.IPs {
		if c.wants(ip) {
			records = append(records, c.zone.address(c.q.Name, ip))
		}
	}
	return c.answer(records)
}

// only answers for a name that has one record.
func (c *conversation) only(record dns.RR) Reply {
	if c.q.Qtype != record.Header().Rrtype {
		return c.noData()
	}
	return c.answer([]dns.RR{record})
}

// answer returns the records of a name that exists; none is NODATA.
func (c *conversation) answer(records []dns.RR) Reply {
	if len(records) == 0 {
		return c.noData()
	}
	return Reply{Authoritative: true, Answer: records}
}

func (c *conversation) noData() Reply { return Reply{Authoritative: true, Denial: true} }

// noName says that there never is such a name.
func (c *conversation) noName() Reply {
	return Reply{Rcode: dns.RcodeNameError, Authoritative: true, Denial: true}
}

// absent says that the View has no such name.
func (c *conversation) absent() Reply {
	if c.known != Complete {
		return failure()
	}
	return c.noName()
}

func failure() Reply { return Reply{Rcode: dns.RcodeServerFailure} }
