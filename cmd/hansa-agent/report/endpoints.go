package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Endpoints answers /v1/endpoints: what is behind services, cluster by cluster.
type Endpoints struct {
	At        time.Time            `json:"at"`
	Cluster   federation.ClusterID `json:"cluster"`
	Endpoints []Endpoint           `json:"endpoints"`
	Next      string               `json:"next"` // what to ask for after, "" if this is all
}

// Endpoint is one address behind a service.
type Endpoint struct {
	Service  string               `json:"service"` // namespace/name
	Cluster  federation.ClusterID `json:"cluster"`
	Address  netip.Addr           `json:"address"`
	Hostname string               `json:"hostname,omitempty"`
	Zone     string               `json:"zone,omitempty"`
	Region   string               `json:"region,omitempty"`
	Node     string               `json:"node,omitempty"` // of this cluster's own alone
	Ports    []EndpointPort       `json:"ports"`

	// Ready, Serving and Terminating are as its own cluster says.
	Ready       bool `json:"ready"`
	Serving     bool `json:"serving"`
	Terminating bool `json:"terminating"`

	Served Served `json:"served"`
	Why    string `json:"why"` // in words, where there is anything to say

	Version string   `json:"version"`    // of its cluster, of which the word is; "" for what is only remembered
	Age     *float64 `json:"ageSeconds"` // since its cluster was heard, which is how old the word may be; null for not since the start
}

// EndpointPort is a port of the service, and where the endpoint serves it.
type EndpointPort struct {
	Name     string              `json:"name"`
	Protocol federation.Protocol `json:"protocol"`
	Port     uint16              `json:"port"`
	Target   uint16              `json:"target"`
}

// Served is whether clients are sent to an endpoint.
type Served string

// Whether they are.
const (
	ServedFirst Served = "yes"
	ServedLast  Served = "last" // only while no other cluster has a better one
	NotServed   Served = "no"
)

// MaxEndpoints bounds how many one answer has.
const MaxEndpoints = 5000

// Endpoints returns the answer to /v1/endpoints.
func (s *Scene) Endpoints(q Query) *Endpoints {
	answer := &Endpoints{At: utc(s.Now), Cluster: s.self(), Endpoints: []Endpoint{}}
	limit := q.limit(MaxEndpoints)
	inquiry, names := s.inquire(), s.names(q)
	for i, name := range names {
		list := inquiry.look(name).endpoints()
		skip := min(q.After.skips(name), len(list))
		room := limit - len(answer.Endpoints)
		if list = list[skip:]; len(list) > room {
			answer.Endpoints = append(answer.Endpoints, list[:room]...)
			answer.Next = Cursor{name, skip + room}.String()
			return answer
		}
		answer.Endpoints = append(answer.Endpoints, list...)
		if len(answer.Endpoints) == limit && i+1 < len(names) {
			answer.Next = Cursor{name, len(list) + skip}.String()
			return answer
		}
	}
	return answer
}

// claim is that an address serves a port of a service.
type claim struct {
	port    int
	address netip.AddrPort
}

// bench judges the endpoints of one service, by what the doors do with them.
type bench struct {
	d      *dossier
	ready  bool                           // there is an endpoint that is ready, and not withdrawn
	claims map[claim]federation.ClusterID // as which cluster says an address is taken, where several claim any
}

func (d *dossier) bench() *bench {
	b := &bench{d: d}
	if d.service == nil {
		return b
	}
	if len(d.service.Exports) > 1 {
		b.claims = map[claim]federation.ClusterID{}
	}
	for i, p := range d.service.Ports {
		for backend := range d.service.Backends(p) {
			if b.claims == nil {
				break
			}
			c := claimOf(i, backend)
			if first, claimed := b.claims[c]; !claimed || d.goesFirst(backend.Cluster, first) {
				b.claims[c] = backend.Cluster
			}
		}
	}
	for _, w := range d.words {
		b.ready = b.ready || w.served != nil && w.fate != federation.Withdrawn && hasReady(w.served)
	}
	return b
}

func claimOf(port int, b importer.Backend) claim {
	return claim{port, netip.AddrPortFrom(b.Endpoint.Address.Unmap().WithZone(""), b.Port)}
}

// goesFirst reports whether an address is a's that b claims too: our own cluster's, then the lower ID's.
func (d *dossier) goesFirst(a, b federation.ClusterID) bool {
	return b != d.self() && (a == d.self() || a < b)
}

func hasReady(e *federation.Export) bool {
	return slices.ContainsFunc(e.Subsets, func(s federation.Subset) bool {
		return slices.ContainsFunc(s.Endpoints, func(ep federation.Endpoint) bool { return ep.Conditions.Has(federation.Ready) })
	})
}

// endpoints returns those of all clusters, by cluster and address.
func (d *dossier) endpoints() (list []Endpoint) {
	b := d.bench()
	for i := range d.words {
		w := &d.words[i]
		e := w.export()
		if e == nil {
			continue
		}
		first := len(list)
		why, lost := w.text(d), w.lost()
		if w.held != nil { // said of the endpoints that it is about
			why = w.hearing.served(w.fate)
		}
		for j := range e.Subsets {
			for k := range e.Subsets[j].Endpoints {
				list = append(list, b.judge(w, e, &e.Subsets[j], &e.Subsets[j].Endpoints[k], why, lost))
			}
		}
		slices.SortStableFunc(list[first:], func(a, b Endpoint) int {
			return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.Hostname, b.Hostname))
		})
	}
	return list
}

// lost returns what tells the endpoints that are served though their cluster says them no more, nil if there is none.
func (w *word) lost() func(*federation.Endpoint) bool {
	if w.held == nil {
		return nil
	}
	type key struct {
		address  netip.Addr
		hostname string
	}
	said := map[key]bool{}
	if w.said.Export != nil {
		for _, s := range w.said.Export.Subsets {
			for _, ep := range s.Endpoints {
				said[key{ep.Address, ep.Hostname}] = true
			}
		}
	}
	return func(ep *federation.Endpoint) bool { return !said[key{ep.Address, ep.Hostname}] }
}

func (b *bench) judge(w *word, e *federation.Export, subset *federation.Subset, ep *federation.Endpoint, why string, lost func(*federation.Endpoint) bool) Endpoint {
	out := Endpoint{
		Service: b.d.name.String(), Cluster: w.cluster, Address: ep.Address, Hostname: ep.Hostname, Zone: ep.Zone, Region: ep.Region, Node: ep.Node,
		Ready: ep.Conditions.Has(federation.Ready), Serving: ep.Conditions.Has(federation.Serving), Terminating: ep.Conditions.Has(federation.Terminating),
		Version: w.version(b.d), Age: ago(w.hearing.heard, b.d.Now), Ports: []EndpointPort{},
	}
	other := b.ports(&out, w, e, subset, ep)
	reason := ""
	out.Served, reason = b.verdict(w, &out, other)
	if lost != nil && lost(ep) {
		reason = join(reason, "the cluster says it no more, and lost very much at once: it is served until "+moment(w.held.Until))
	}
	out.Why = join(reason, why)
	return out
}

// ports lists which ports of the service an endpoint serves. It returns the cluster as which says all of them are taken,
// if that is another one.
func (b *bench) ports(out *Endpoint, w *word, e *federation.Export, subset *federation.Subset, ep *federation.Endpoint) (other federation.ClusterID) {
	ports, own := b.d.ports(e), 0
	for i, p := range ports {
		target, serves := importer.TargetPort(e, subset, p)
		if !serves {
			continue
		}
		out.Ports = append(out.Ports, EndpointPort{p.Name, p.Protocol, p.Number, target})
		c := claimOf(i, importer.Backend{Endpoint: ep, Port: target})
		if first, claimed := b.claims[c]; claimed && first != w.cluster {
			other = first
		} else {
			own++
		}
	}
	if own > 0 {
		return ""
	}
	return other
}

// ports returns those of the service, or of one export where nothing is concluded.
func (d *dossier) ports(e *federation.Export) []importer.Port {
	if d.service != nil {
		return d.service.Ports
	}
	list := make([]importer.Port, 0, len(e.Ports))
	for _, p := range e.Ports {
		list = append(list, importer.Port{Port: p})
	}
	return list
}

// verdict says whether clients are sent to an endpoint, and why if that is a matter of this endpoint.
func (b *bench) verdict(w *word, ep *Endpoint, other federation.ClusterID) (Served, string) {
	headless := b.d.service != nil && b.d.service.Type == federation.Headless
	switch {
	case b.d.service == nil && w.bar == "":
		return NotServed, b.d.why
	case w.served == nil, w.fate == federation.Withdrawn:
		return NotServed, ""
	case len(ep.Ports) == 0 && !headless:
		return NotServed, "it serves none of the ports of the service"
	case other != "":
		return NotServed, fmt.Sprintf("cluster %s has the same address, and goes first", other)
	case ep.Ready && w.fate == federation.Demoted:
		return ServedLast, ""
	case ep.Ready:
		return ServedFirst, ""
	case !ep.Serving || !ep.Terminating:
		return NotServed, "its cluster says that it is not ready"
	case b.ready:
		return NotServed, "it terminates, and others are ready"
	case headless:
		return ServedLast, "it terminates, and is served as no endpoint is ready, but not by DNS"
	}
	return ServedLast, "it terminates, and is served as no endpoint is ready"
}
