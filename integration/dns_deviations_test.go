package integration

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
)

// deviation is a difference that is known between what the agent says and what CoreDNS says.
type deviation struct {
	name string
	// right says who is right, the agent or either, and by what.
	right string
	// explains reports whether a difference is this one.
	explains func(a about, ours, theirs said) bool
}

// deviations are all differences that are known. One that explains nothing fails the test, so that it goes when CoreDNS
// does better.
var deviations = []deviation{
	{"dns-version: CoreDNS says 1.1.0", "agent: D2 names 1.0.0", func(a about, ours, theirs said) bool {
		return a.is("dns-version") && a.qtype == dns.TypeTXT && strings.HasSuffix(ours.only(), `txt	"1.0.0"`) && strings.HasSuffix(theirs.only(), `txt	"1.1.0"`)
	}},
	{"dns-version: CoreDNS says NXDOMAIN to other types than TXT", "agent: RFC 2308, the name is there", func(a about, ours, theirs said) bool {
		return a.is("dns-version") && a.qtype != dns.TypeTXT && ours.noData() && theirs.noName()
	}},
	{"SOA below the apex: CoreDNS says NODATA to every name", "agent: RFC 2308, the name is not there", func(a about, ours, theirs said) bool {
		return a.qtype == dns.TypeSOA && !a.is() && ours.noName() && theirs.noData()
	}},
	{"ANY: the agent refuses, CoreDNS denies", "either: RFC 8482", func(a about, ours, theirs said) bool {
		return a.qtype == dns.TypeANY && ours.refuses() && (theirs.noName() || theirs.noData())
	}},
	{"name server: CoreDNS on loopback has none to name", "agent: an authority has an NS record with an address", func(a about, ours, theirs said) bool {
		return a.is() && a.qtype == dns.TypeNS && ours.has("NS") && theirs.noData() ||
			a.is("ns", "dns") && a.qtype == dns.TypeA && ours.has("A") && (theirs.noName() || theirs.noData()) ||
			(a.is("ns", "dns") || a.is("dns")) && ours.noData() && theirs.noName()
	}},
	{"TXT of a name without any record: CoreDNS says NXDOMAIN", "agent: RFC 8020, there are names below", func(a about, ours, theirs said) bool {
		between := a.is() || a.is("svc") || len(a.labels) == 2 && a.imported(a.labels[0]) || a.unsupported() && (a.isService() || a.isPort())
		return a.qtype == dns.TypeTXT && between && ours.noData() && theirs.noName()
	}},
	{"namespace of no import: CoreDNS says NODATA if there is a Namespace", "either: no name below is there", func(a about, ours, theirs said) bool {
		return len(a.labels) == 2 && a.labels[1] == "svc" && !a.imported(a.labels[0]) && ours.noName() && theirs.noData()
	}},
	{"pod: CoreDNS says NODATA", "agent: the zone has no pods", func(a about, ours, theirs said) bool {
		return a.is("pod") && ours.noName() && theirs.noData()
	}},
	{"protocol of a service: CoreDNS says NXDOMAIN", "agent: RFC 8020, there are names of ports below", func(a about, ours, theirs said) bool {
		return len(a.rest) == 1 && a.hasProtocol(a.rest[0]) && ours.noData() && theirs.noName()
	}},
	{"name of a port: CoreDNS has addresses there", "agent: D4 and D11 give it SRV records alone", func(a about, ours, theirs said) bool {
		address := a.qtype == dns.TypeA && theirs.has("A") || a.qtype == dns.TypeAAAA && theirs.has("AAAA")
		return a.isPort() && address && ours.noData()
	}},
	{"port of a service without an address in this cluster: CoreDNS says NODATA", "either: it has no record of any type", func(a about, ours, theirs said) bool {
		return a.isPort() && a.unsupported() && ours.noName() && theirs.noData()
	}},
	{"label _ alone: to CoreDNS it is any port and any protocol", "agent: D4 and D11 have no such name", func(a about, ours, theirs said) bool {
		return len(a.rest) == 2 && slices.Contains(a.rest, "_") && ours.noName() && theirs.rcode == "NOERROR"
	}},
	{"_port._protocol with one underscore left out: CoreDNS takes it", "agent: D4 and D11 have no such name", func(a about, ours, theirs said) bool {
		return len(a.rest) == 2 && a.hasOneUnderscore() && ours.noName() && theirs.rcode == "NOERROR"
	}},
	{"endpoint of a ClusterSetIP service: CoreDNS has a name for it", "agent: D6, and D8 is of headless services", func(a about, ours, theirs said) bool {
		return a.isEndpoint() && !a.headless() && ours.noName() && theirs.rcode == "NOERROR"
	}},
	{"endpoint of a headless service: CoreDNS has SRV records there", "agent: D8 gives it addresses alone", func(a about, ours, theirs said) bool {
		return a.isEndpoint() && a.headless() && a.qtype == dns.TypeSRV && ours.noData() && theirs.has("SRV")
	}},
	{"service with an unnamed port: CoreDNS has an SRV record at its bare name", "agent: D4 and D11, none for unnamed ports", func(a about, ours, theirs said) bool {
		return a.isService() && a.qtype == dns.TypeSRV && a.unnamed() && ours.noData() && theirs.has("SRV")
	}},
}

// about is what a deviation knows of a question: its labels, and the service that its name may be of.
type about struct {
	question
	labels []string // before the zone
	rest   []string // of them, before the service
	of     []exported
	scene  []exported
	single bool // the cluster that is asked has IPv4 alone
}

// newAbout finds the service of a question in the scene.
func newAbout(q question, scene []exported, single bool) about {
	a := about{question: q, labels: q.before(), scene: scene, single: single}
	n := len(a.labels)
	if n >= 3 && a.labels[n-1] == "svc" {
		a.rest = a.labels[:n-3]
		for _, e := range scene {
			if e.name == a.labels[n-3] && e.namespace == a.labels[n-2] && e.namespace != farNamespace {
				a.of = append(a.of, e)
			}
		}
	}
	return a
}

// is reports whether these are the labels before the zone.
func (a about) is(labels ...string) bool {
	inside := a.labels != nil || strings.EqualFold(a.name, dnsZone)
	return inside && slices.Equal(a.labels, labels)
}

// imported reports whether something of a namespace is imported.
func (a about) imported(namespace string) bool {
	return namespace != farNamespace && slices.Contains(namespacesOf(a.scene), namespace)
}

func (a about) isService() bool { return len(a.of) > 0 && len(a.rest) == 0 }

// headless reports the type of the service, which is that of who exported it first.
func (a about) headless() bool { return len(a.of) > 0 && a.of[0].kind == "headless" }

// unsupported reports whether the service has no address in the cluster that is asked.
func (a about) unsupported() bool { return a.single && len(a.of) > 0 && a.of[0].kind == "ip6" }

// ports yields the service's, of all clusters.
func (a about) ports() (all []corev1.ServicePort) {
	for _, e := range a.of {
		all = append(all, e.ports...)
	}
	return all
}

func (a about) unnamed() bool {
	return slices.ContainsFunc(a.ports(), func(p corev1.ServicePort) bool { return p.Name == "" })
}

// hasProtocol reports whether the service has a named port of _tcp or _udp.
func (a about) hasProtocol(label string) bool {
	return slices.ContainsFunc(a.ports(), func(p corev1.ServicePort) bool {
		return p.Name != "" && label == "_"+strings.ToLower(string(p.Protocol))
	})
}

// isPort reports whether the name is _port._protocol of a port of the service.
func (a about) isPort() bool { return a.port("_", "_") }

// hasOneUnderscore reports whether it is but for one underscore.
func (a about) hasOneUnderscore() bool { return a.port("_", "") || a.port("", "_") }

func (a about) port(name, protocol string) bool {
	return len(a.rest) == 2 && slices.ContainsFunc(a.ports(), func(p corev1.ServicePort) bool {
		return p.Name != "" && a.rest[0] == name+p.Name && a.rest[1] == protocol+strings.ToLower(string(p.Protocol))
	})
}

// isEndpoint reports whether the name is host.cluster of an endpoint of the service.
func (a about) isEndpoint() bool {
	for _, e := range a.of {
		if len(a.rest) != 2 || a.rest[1] != e.cluster {
			continue
		}
		for _, s := range e.slices {
			for _, endpoint := range s.Endpoints {
				if slices.Contains(endpointLabels(endpoint.Addresses[0], endpoint.Hostname), a.rest[0]) {
					return true
				}
			}
		}
	}
	return false
}
