package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// lacks says what an answer has not, and why. The client is the one that was asked for, nil for none.
func (s *Scene) lacks(q XDSQuery, answer *XDSResources, client *XDSClient) (lacks []string) {
	if client != nil {
		lacks = s.inVain(client, q.Name)
	}
	if len(answer.Resources)+len(lacks) > 0 {
		return lacks
	}
	switch clusters := s.XDS.Names(CDS); {
	case q.Name == EgressName && q.Type != LDS && q.Type != RDS:
		return []string{fmt.Sprintf("%s: %s is the name of a listener (lds) and of routes (rds)", q.Type, EgressName)}
	case q.Name != "" && q.Name != EgressName && !slices.ContainsFunc(clusters, matching(CDS, q.Name)):
		return []string{s.absent(q.Name, clusters)}
	}
	why := ""
	if client != nil {
		why = client.unsubscribed(q.Type, q.Name)
	}
	if why = cmp.Or(why, untold(answer.Audience, q, client)); why == "" {
		return nil
	}
	return []string{why}
}

// inVain says of each name that a client subscribes to and is told nothing of, why that is; of all for the name "".
func (s *Scene) inVain(c *XDSClient, name string) (lacks []string) {
	const most = 8
	more, means := 0, matching(EDS, name) // no routes that are not there are of a host
	for _, state := range c.Types {
		for _, each := range state.Absent {
			switch {
			case !means(each):
			case len(lacks) == most:
				more++
			default:
				lacks = append(lacks, fmt.Sprintf("it subscribes to %s %s, %s", state.Type, each, s.needless(c, state.Type, each)))
			}
		}
	}
	if more > 0 {
		lacks = append(lacks, fmt.Sprintf("it subscribes to %s more in vain", amount(more, "name")))
	}
	return lacks
}

// needless says why a client is told nothing of a name that it subscribes to.
func (s *Scene) needless(c *XDSClient, t XDSType, name string) string {
	if slices.Contains(s.XDS.Names(t), name) {
		why := untold(c.Audience, XDSQuery{Type: t, Name: name}, c)
		return "which it is not told" + strings.TrimPrefix(why, string(t))
	}
	why := ""
	switch _, _, ok := hostOf(name); {
	case t == RDS:
		why = "the one name of routes is " + EgressName
	case t == LDS && !ok:
		why = "the port is missing, a target of gRPC is xds:///HOST:PORT"
	case !ok:
		why = "the name of a cluster is outbound|PORT||HOST"
	default:
		why = s.absent(name, s.XDS.Names(CDS))
	}
	return "which there is not: " + why
}

// unsubscribed says that a client does not subscribe to a type, or to what a name means; "" if it does.
func (c *XDSClient) unsubscribed(t XDSType, name string) string {
	means, does, types := matching(t, name), false, []string{}
	for _, s := range c.Types {
		does = does || s.Type == t && (s.Wildcard || slices.ContainsFunc(s.Names, means))
		if s.Wildcard || s.Subscribed > 0 {
			types = append(types, string(s.Type))
		}
	}
	called := cmp.Or(c.ID, c.Address)
	switch {
	case does:
		return ""
	case name == "":
		return fmt.Sprintf("client %s does not subscribe to %s, but to %s", called, t, cmp.Or(strings.Join(types, ", "), "nothing"))
	}
	return fmt.Sprintf("client %s does not subscribe to %s of that name; --kind, --region and --zone instead of --client show what it would be told", called, t)
}

// untold says why an audience, that of a client or nil, is told nothing of a type although the names are right; "" where nothing
// bears on it.
func untold(a XDSAudience, q XDSQuery, client *XDSClient) string {
	envoy := a.Kind == KindEnvoy
	switch {
	case q.Type == RDS && !envoy:
		return "rds: routes are for Envoy alone; those of gRPC are inside its listeners (lds)"
	case q.Type == LDS && !envoy && q.Name == EgressName:
		return "lds: that listener is for Envoy alone; gRPC has one of each host and port"
	case q.Type == LDS && envoy && (a.Egress != "" || client != nil && q.Name != "" && q.Name != EgressName):
		return fmt.Sprintf("lds: an Envoy has one listener for all hosts, %s; those of a host are for gRPC, --kind grpc", EgressName)
	case q.Type == LDS && envoy && client != nil:
		return fmt.Sprintf("lds: the client has no listener, as %s", cmp.Or(client.EgressFault, "the metadata of its node says no "+EgressName))
	case q.Type == LDS && envoy:
		return fmt.Sprintf("lds: an Envoy has a listener, %s, if its metadata says where: --egress IP:PORT; those of a host are for gRPC, --kind grpc", EgressName)
	case q.Type == RDS && q.Name != "":
		return fmt.Sprintf("rds: there are no routes to %s, as its appProtocol is not HTTP", q.Name)
	}
	return ""
}

// absent says why nothing has a name: the service has no port of TCP, or nobody exports it; or else by the names of all clusters.
func (s *Scene) absent(name string, clusters []string) string {
	wanted, port, ok := hostOf(name)
	if !ok {
		wanted = name
	}
	service, domain := named(wanted)
	clusterset, own := s.XDS.Domains()
	switch {
	case s.withoutTCP(service):
		return fmt.Sprintf("%s has no TCP port, and xDS serves TCP ports alone", service)
	case domain == clusterset && s.View.Own(service) != nil && s.View.Service(service) == nil && len(s.Store.Said(service)) == 0:
		return fmt.Sprintf("no cluster exports %s, so there is no host %s (%s.%s.svc.%s is this cluster's own): hansa export %[3]s -n %[4]s in the cluster that has it",
			service, wanted, service.Name, service.Namespace, own)
	}
	return unknown(wanted, port, clusters)
}

// withoutTCP reports whether a service is there, in this cluster or as others export it, and has no port that xDS serves.
func (s *Scene) withoutTCP(name federation.ServiceName) bool {
	own, imported := s.View.Own(name), s.View.Service(name)
	tcp := func(p federation.Port) bool { return p.Protocol == federation.TCP }
	return (own != nil || imported != nil) && (own == nil || !slices.ContainsFunc(own.Ports, tcp)) &&
		(imported == nil || !slices.ContainsFunc(imported.Ports, func(p importer.Port) bool { return tcp(p.Port) }))
}

// hint says where to look for why a host has no endpoint, "" for what is not that.
func (s *Scene) hint(r *XDSResource) string {
	var told struct {
		Endpoints []json.RawMessage `json:"endpoints"`
	}
	host, _, ok := hostOf(r.Name)
	if r.Type != EDS || r.Fault != "" || !ok || json.Unmarshal(r.Message, &told) != nil || len(told.Endpoints) > 0 {
		return ""
	}
	name, domain := named(host)
	look := "hansa explain " + name.String()
	if _, own := s.XDS.Domains(); domain == own && s.View.Own(name) != nil && (s.View.Gates.ClusterLocal || s.View.Service(name) == nil) {
		look = fmt.Sprintf("kubectl -n %s get endpointslices -l kubernetes.io/service-name=%s", name.Namespace, name.Name)
	}
	return fmt.Sprintf("no endpoint of %s is ready: %s", host, look)
}

// unknown says why nothing has the name of a host, or namespace/name, by the names of all clusters: the port is another one, or
// the domain, or there is no such service.
func unknown(wanted, port string, clusters []string) string {
	namespace, service := serviceOf(wanted)
	means := MatchHost(wanted)
	var ports, hosts, services []string
	for _, c := range clusters {
		host, at, _ := hostOf(c)
		switch in, of := serviceOf(host); {
		case in != namespace:
		case means(host, at):
			ports = append(ports, at)
		case of == service:
			hosts = append(hosts, host)
		default:
			services = append(services, of)
		}
	}
	switch {
	case namespace == "":
		return "it is no host of a service, as web.shop.svc.clusterset.local is"
	case len(ports) > 0:
		return fmt.Sprintf("%s has no port %s, but %s", wanted, port, some(ports, " and "))
	case len(hosts) > 0:
		return fmt.Sprintf("there is no host %s, but %s", wanted, some(hosts, " and "))
	case len(services) > 0:
		return fmt.Sprintf("namespace %s has no service %s that is served, but %s; hansa explain %[1]s/%[2]s says why", namespace, service, some(services, " and "))
	}
	return fmt.Sprintf("no service of namespace %s is served; hansa explain %[1]s/%s says why", namespace, service)
}

// named returns the service that a host is of, or namespace/name, and the domain of the host, "" for none.
func named(host string) (name federation.ServiceName, domain string) {
	name.Namespace, name.Name = serviceOf(host)
	_, domain, _ = strings.Cut(strings.ToLower(strings.TrimSuffix(host, ".")), ".svc.")
	return name, domain
}

// serviceOf returns of which service a host is, or namespace/name; "" for none.
func serviceOf(host string) (namespace, name string) {
	host = strings.ToLower(host)
	if namespace, name, ok := strings.Cut(host, "/"); ok {
		return namespace, name
	}
	if labels := strings.Split(host, "."); len(labels) > 2 && labels[2] == "svc" {
		return labels[1], labels[0]
	}
	return "", ""
}

// some writes names, each once, sorted, numbers by their size; of many the first.
func some(names []string, last string) string {
	const most = 8
	slices.SortFunc(names, func(a, b string) int {
		if isNumber(a) && isNumber(b) {
			return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
		}
		return cmp.Compare(a, b)
	})
	names = slices.Compact(names)
	if len(names) > most {
		names = append(names[:most:most], fmt.Sprintf("%d more", len(names)-most))
	}
	end := len(names) - 1
	if end == 0 {
		return names[0]
	}
	return strings.Join(names[:end], ", ") + last + names[end]
}

func isNumber(text string) bool { return strings.Trim(text, "0123456789") == "" }
