package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// XDSResources answers /v1/xds/resources: what clients of an audience are told, or one client.
type XDSResources struct {
	At      time.Time            `json:"at"`
	Cluster federation.ClusterID `json:"cluster"`
	Agent   string               `json:"agent"`
	// Client is the one that was asked for, by its ID; "" for none.
	Client    string        `json:"client"`
	Address   string        `json:"address"` // of that client
	Audience  XDSAudience   `json:"audience"`
	Resources []XDSResource `json:"resources"`
	// Lacks says what there is not, and why: if there is no resource at all, and of a client what it subscribes to in vain.
	Lacks []string `json:"lacks"`
	Next  string   `json:"next"` // what to ask for after, "" if this is all
}

// MaxXDSResources and maxXDSBytes bound how many resources one answer has, and about how long it gets.
const (
	MaxXDSResources = 1000
	maxXDSBytes     = 8 << 20
)

// EgressName is the name of an Envoy's listener for HTTP to all hosts, and of the routes of all hosts.
const EgressName = "hansa-egress"

// XDSResources returns the answer to /v1/xds/resources. Of a client it has only what that subscribes to.
func (s *Scene) XDSResources(q XDSQuery) (*XDSResources, error) {
	if s.XDS == nil {
		return nil, errNoXDS
	}
	if q.Type == "" {
		return nil, errors.New("want type, which is cds, eds, lds or rds")
	}
	if err := s.serving(); err != nil {
		return nil, err
	}
	answer := &XDSResources{At: utc(s.Now), Cluster: s.self(), Agent: s.Agent.Name, Audience: q.Audience, Resources: []XDSResource{}, Lacks: []string{}}
	if answer.Audience.Kind == "" {
		answer.Audience.Kind = KindOther
	}
	named, subscribed := matching(q.Type, q.Name), func(string) bool { return true }
	var client *XDSClient
	if q.Client != "" {
		var err error
		if client, err = s.client(q.Client); err != nil {
			return nil, err
		}
		answer.Client, answer.Address, answer.Audience, subscribed = client.ID, client.Address, client.Audience, client.subscribes(q.Type)
	}
	s.fill(answer, q, func(name string) bool { return named(name) && subscribed(name) })
	if q.After == "" {
		answer.Lacks = append(answer.Lacks, s.lacks(q, answer, client)...)
	}
	return answer, nil
}

// serving returns why nobody is told anything yet, or nil.
func (s *Scene) serving() error {
	d, tells := s.XDS.(interface{ Serving() bool })
	if !tells || d.Serving() {
		return nil
	}
	return fmt.Errorf("this agent is not ready: %s", cmp.Or(s.Agent.Waiting, "it serves no xDS yet"))
}

// client returns the one client that is called so.
func (s *Scene) client(called string) (*XDSClient, error) {
	list := s.clients(called)
	switch len(list) {
	case 0:
		return nil, none(fmt.Sprintf("no client that is connected to agent %s has ID or address %.100q", s.Agent.Name, called))
	case 1:
		return &list[0], nil
	}
	return nil, Ambiguous(called, list)
}

// Ambiguous says that several clients have an ID or address, and how else each can be called.
func Ambiguous(called string, list []XDSClient) error {
	what, other := "ID", "an address"
	var names []string
	for _, c := range list {
		if c.ID == called {
			names = append(names, c.Address)
			continue
		}
		what, other = "address", "an ID"
		names = append(names, cmp.Or(c.ID, "none"))
	}
	return fmt.Errorf("%d clients have the %s %.100s: give %s, %s", len(list), what, called, other, some(names, " or "))
}

// fill adds the resources that are wanted until the answer is full.
func (s *Scene) fill(answer *XDSResources, q XDSQuery, wanted func(string) bool) {
	limit := MaxXDSResources
	if q.Limit > 0 {
		limit = min(limit, q.Limit)
	}
	last, size := "", 0
	for _, name := range s.XDS.Names(q.Type) {
		if name <= q.After || !wanted(name) {
			continue
		}
		if len(answer.Resources) == limit || size > maxXDSBytes {
			answer.Next = last
			break
		}
		r, err := s.XDS.Resource(answer.Audience, q.Type, name)
		if err != nil { // which is of this one alone
			r = &XDSResource{Type: q.Type, Name: name, Fault: err.Error()}
		}
		if r == nil || !r.routesTo(q.Name) {
			continue // it went meanwhile, or is of another audience, or of other hosts
		}
		r.Hint = s.hint(r)
		answer.Resources = append(answer.Resources, *r)
		last, size = name, size+len(r.Message)
	}
}

// subscribes returns whether a client subscribes to a resource of a type.
func (c *XDSClient) subscribes(t XDSType) func(name string) bool {
	i := slices.IndexFunc(c.Types, func(s XDSState) bool { return s.Type == t })
	if i < 0 {
		return func(string) bool { return false }
	}
	if c.Types[i].Wildcard {
		return func(string) bool { return true }
	}
	names := map[string]bool{}
	for _, name := range c.Types[i].Names {
		names[name] = true
	}
	return func(name string) bool { return names[name] }
}

// matching returns whether a resource is meant by a name, "" for all. The routes of all hosts are one resource, so that any host
// may mean it: what it says must be looked at.
func matching(t XDSType, name string) func(resource string) bool {
	host := MatchHost(name)
	return func(resource string) bool {
		if name == "" || resource == name {
			return true
		}
		at, port, ok := hostOf(resource)
		if !ok {
			return t == RDS && !strings.HasPrefix(name, "outbound|")
		}
		return host(at, port)
	}
}

// routesTo reports whether it may be meant by a name as far as routes go: they have a virtual host that is.
func (r *XDSResource) routesTo(name string) bool {
	if r.Type != RDS || r.Fault != "" || name == "" || name == r.Name {
		return true
	}
	var c struct {
		Hosts []struct {
			Domains []string `json:"domains"`
		} `json:"virtualHosts"`
	}
	if json.Unmarshal(r.Message, &c) != nil {
		return true // who asks is shown what it is
	}
	means := MatchRoutes(name)
	for _, h := range c.Hosts {
		if means(r.Name, h.Domains) {
			return true
		}
	}
	return false
}

// MatchRoutes returns what tells whether a name means a virtual host: by one of its domains, or by the routes that it is of.
func MatchRoutes(name string) func(routes string, domains []string) bool {
	is := MatchHost(name)
	return func(routes string, domains []string) bool {
		return name == routes || slices.ContainsFunc(domains, func(d string) bool {
			host, port, _ := strings.Cut(d, ":")
			return is(host, port)
		})
	}
}

// hostOf returns the host and the port that a resource is of: of outbound|PORT||HOST, or HOST:PORT.
func hostOf(resource string) (host, port string, ok bool) {
	if rest, found := strings.CutPrefix(resource, "outbound|"); found {
		port, host, found = strings.Cut(rest, "||")
		return host, port, found
	}
	i := strings.LastIndexByte(resource, ':')
	if i < 0 {
		return "", "", false
	}
	return resource[:i], resource[i+1:], true
}

// MatchHost returns what tells whether a host with a port is meant by a name: by itself, with that port or without any; by
// its first labels up to svc; or as namespace/name.
func MatchHost(name string) func(host, port string) bool {
	wanted, port, _ := strings.Cut(strings.ToLower(name), ":")
	wanted = strings.TrimSuffix(wanted, ".")
	prefix := wanted + "."
	if namespace, service, ok := strings.Cut(wanted, "/"); ok {
		wanted, prefix = "", service+"."+namespace+".svc."
	} else if !strings.HasSuffix(wanted, ".svc") {
		prefix = ""
	}
	return func(host, at string) bool {
		if port != "" && port != at {
			return false
		}
		return host == wanted || prefix != "" && strings.HasPrefix(host, prefix)
	}
}
