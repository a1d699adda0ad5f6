package report

import (
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
	Audience  XDSAudience   `json:"audience"`
	Resources []XDSResource `json:"resources"`
	Next      string        `json:"next"` // what to ask for after, "" if this is all
}

// MaxXDSResources and maxXDSBytes bound how many resources one answer has, and about how long it gets.
const (
	MaxXDSResources = 1000
	maxXDSBytes     = 8 << 20
)

// XDSResources returns the answer to /v1/xds/resources. Of a client it has what that subscribes to, unless the query has a
// name.
func (s *Scene) XDSResources(q XDSQuery) (*XDSResources, error) {
	switch {
	case s.XDS == nil:
		return nil, errNoXDS
	case q.Type == "":
		return nil, errors.New("want type, which is cds, eds, lds or rds")
	}
	answer := &XDSResources{At: utc(s.Now), Cluster: s.self(), Agent: s.Agent.Name, Audience: q.Audience, Resources: []XDSResource{}}
	if answer.Audience.Kind == "" {
		answer.Audience.Kind = KindOther
	}
	wanted := func(string) bool { return true }
	if q.Client != "" {
		list := s.clients(q.Client)
		if len(list) == 0 {
			return nil, none(fmt.Sprintf("no client that is connected to agent %s has ID or address %.100q", s.Agent.Name, q.Client))
		}
		answer.Client, answer.Audience, wanted = list[0].ID, list[0].Audience, list[0].subscribes(q.Type)
	}
	if q.Name != "" {
		wanted = matching(q.Type, q.Name)
	}
	s.fill(answer, q, wanted)
	return answer, nil
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
		if r == nil {
			continue // it went meanwhile, or is of another audience
		}
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

// matching returns whether a resource is meant by a name. The routes of all hosts are one resource, so that any host means it.
func matching(t XDSType, name string) func(resource string) bool {
	host := MatchHost(name)
	return func(resource string) bool {
		if resource == name {
			return true
		}
		at, port, ok := hostOf(resource)
		if !ok {
			return t == RDS && !strings.HasPrefix(name, "outbound|")
		}
		return host(at, port)
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
