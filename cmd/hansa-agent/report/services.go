package report

import (
	"net/netip"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Services answers /v1/services: what is exported by any cluster, as far as this one may see it.
type Services struct {
	At       time.Time            `json:"at"`
	Cluster  federation.ClusterID `json:"cluster"`
	Services []Service            `json:"services"`
	// Peers are the versions of this cluster that the others have confirmed; none of an agent that does not lead.
	Peers []Confirmed `json:"peers"`
	Next  string      `json:"next"` // what to ask for after, "" if this is all
}

// Confirmed is which version of this cluster another one has, "" where that is not known.
type Confirmed struct {
	Cluster federation.ClusterID `json:"cluster"`
	Version string               `json:"version"`
}

// Service is an exported service, as this cluster concludes.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Imported means that it can be used here; else Why says why not. Of an imported one Why is what there is to know.
	Imported bool   `json:"imported"`
	Why      string `json:"why"`

	Type  federation.ServiceType `json:"type"` // "" of one that is not imported, as is all up to Ports
	IPs   []netip.Addr           `json:"ips"`
	Ports []Port                 `json:"ports"`

	Clusters  []federation.ClusterID `json:"clusters"` // that export it
	Endpoints Counts                 `json:"endpoints"`
	Conflicts []string               `json:"conflicts"` // reasons, as in the condition Conflict
	Exported  *Exported              `json:"exported"`  // what this cluster says of it, null for nothing
}

// Port is a port of a service.
type Port struct {
	Name        string              `json:"name"`
	Protocol    federation.Protocol `json:"protocol"`
	Port        uint16              `json:"port"`
	AppProtocol string              `json:"appProtocol,omitempty"`
}

// Counts are how many endpoints there are.
type Counts struct {
	Total  int `json:"total"`
	Ready  int `json:"ready"`  // as their clusters say
	Served int `json:"served"` // to which clients are sent, be it last
}

// MaxServices bounds how many one answer has.
const MaxServices = 1000

// Services returns the answer to /v1/services.
func (s *Scene) Services(q Query) *Services {
	answer := &Services{At: utc(s.Now), Cluster: s.self(), Services: []Service{}, Peers: []Confirmed{}}
	inquiry, names := s.inquire(), s.names(q)
	for _, a := range inquiry.acks {
		answer.Peers = append(answer.Peers, Confirmed{a.cluster, version(a.version)})
	}
	if limit := q.limit(MaxServices); len(names) > limit {
		names = names[:limit]
		answer.Next = Cursor{Service: names[limit-1]}.String()
	}
	for _, name := range names {
		d := inquiry.look(name)
		answer.Services = append(answer.Services, d.row(d.endpoints()))
	}
	return answer
}

// row returns a service without its details.
func (d *dossier) row(endpoints []Endpoint) Service {
	row := Service{
		Namespace: d.name.Namespace, Name: d.name.Name, Imported: d.service != nil, Why: d.why,
		IPs: []netip.Addr{}, Ports: []Port{}, Clusters: []federation.ClusterID{}, Conflicts: []string{},
		Endpoints: count(endpoints, ""), Exported: d.exported(),
	}
	for i := range d.words {
		if d.words[i].export() != nil {
			row.Clusters = append(row.Clusters, d.words[i].cluster)
		}
	}
	if d.service == nil {
		return row
	}
	row.Type, row.Why = d.service.Type, d.note()
	row.IPs = append(row.IPs, d.service.IPs...)
	row.Ports = portsOf(d.service.Ports)
	for _, c := range d.service.Conflicts {
		row.Conflicts = append(row.Conflicts, c.Reason)
	}
	return row
}

func portsOf(list []importer.Port) []Port {
	ports := []Port{}
	for _, p := range list {
		ports = append(ports, Port{p.Name, p.Protocol, p.Number, p.AppProtocol})
	}
	return ports
}

// count counts the endpoints of one cluster, "" for all.
func count(list []Endpoint, of federation.ClusterID) (c Counts) {
	for i := range list {
		if of != "" && list[i].Cluster != of {
			continue
		}
		c.Total++
		if list[i].Ready {
			c.Ready++
		}
		if list[i].Served != NotServed {
			c.Served++
		}
	}
	return c
}

// note says what keeps an imported service from being used wholly, "" for nothing.
func (d *dossier) note() string {
	var address, blocked string
	switch {
	case d.service.Unsupported:
		address = "it has no address here, as this cluster has none of its IP families"
	case d.service.Type == federation.ClusterSetIP && len(d.service.IPs) == 0:
		address = "no address is allocated to it yet"
	}
	if d.Blocked != nil {
		blocked = d.Blocked(d.name)
	}
	return join(address, blocked)
}
