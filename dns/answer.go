package dns

import (
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

// Reply is what Answer has to say. The sections are new; their records may be kept and changed.
type Reply struct {
	Rcode             int // of the DNS, as dns.RcodeSuccess
	Authoritative     bool
	Answer, Ns, Extra []dns.RR
}

// Answer returns what is to be said to a question with a fully qualified name. It is a function of its
// arguments and may be called from any goroutine.
//
// Names are compared without regard to case, and answers repeat the question's. Other zones, other
// classes than IN and the types that are not of one record (ANY, AXFR, IXFR) are REFUSED. A name that
// the View lacks is NXDOMAIN only when the knowledge is Complete, else SERVFAIL: resolvers remember a
// denial. So is a ClusterSetIP service to which no address is allocated yet. Denials carry the SOA
// (RFC 2308). Where a gate closes the names of the clusterset there are none, whatever is not known yet.
func Answer(view *importer.View, known Knowledge, zone Zone, q dns.Question) Reply {
	before, inside := zone.within(q.Name)
	if !inside || q.Qclass != dns.ClassINET || isMeta(q.Qtype) {
		return Reply{Rcode: dns.RcodeRefused}
	}
	if known == Nothing {
		return failure()
	}
	if view = view.Clusterset(); !view.Gates.Discovery || !view.Gates.Hosts {
		known = Complete
	}
	c := &conversation{view: view, known: known, zone: zone, q: q}
	switch n := parse(before); n.shape {
	case apex:
		return c.apex()
	case schema:
		return c.only(version(q.Name))
	case between:
		return c.noData()
	case namespaceName:
		if !view.HasNamespace(n.service.Namespace) {
			return c.absent()
		}
		return c.noData()
	case serviceName, protocolName, portName, endpointName:
		return c.service(n)
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
}

func (c *conversation) apex() Reply {
	switch c.q.Qtype {
	case dns.TypeSOA:
		return c.answer([]dns.RR{c.zone.soa(c.q.Name, c.view.Revision)}, nil)
	case dns.TypeNS:
		return c.answer([]dns.RR{c.zone.ns(c.q.Name)}, nil)
	}
	return c.noData()
}

// service answers for the names of one service.
func (c *conversation) service(n name) Reply {
	s := c.view.Service(n.service)
	switch {
	case s == nil:
		return c.absent()
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
	return c.answer(records, nil)
}

// only answers for a name that has one record.
func (c *conversation) only(record dns.RR) Reply {
	if c.q.Qtype != record.Header().Rrtype {
		return c.noData()
	}
	return c.answer([]dns.RR{record}, nil)
}

// answer returns the records of a name that exists; none is NODATA.
func (c *conversation) answer(records, extra []dns.RR) Reply {
	if len(records) == 0 {
		return c.noData()
	}
	return Reply{Authoritative: true, Answer: records, Extra: extra}
}

func (c *conversation) noData() Reply {
	return Reply{Authoritative: true, Ns: []dns.RR{c.denial()}}
}

// noName says that there never is such a name.
func (c *conversation) noName() Reply {
	return Reply{Rcode: dns.RcodeNameError, Authoritative: true, Ns: []dns.RR{c.denial()}}
}

// absent says that the View has no such name.
func (c *conversation) absent() Reply {
	if c.known != Complete {
		return failure()
	}
	return c.noName()
}

// denial returns the SOA, owned by the zone as the question spells it.
func (c *conversation) denial() dns.RR {
	return c.zone.soa(c.q.Name[len(c.q.Name)-len(c.zone.origin):], c.view.Revision)
}

func failure() Reply { return Reply{Rcode: dns.RcodeServerFailure} }
