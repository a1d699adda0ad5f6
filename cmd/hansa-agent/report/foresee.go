package report

import "github.com/hansa-mcs/hansa/federation"

// Federation returns what clusters say of the service as far as it may be imported here, without endpoints: with what one
// more cluster would say, importer.Merge tells what would become of the service.
func (x *Explanation) Federation() (list []*federation.Export) {
	for _, e := range x.Exports {
		if !e.Admitted || e.Settings == nil {
			continue
		}
		set := e.Settings
		out := &federation.Export{
			Cluster: e.Cluster, Name: federation.ServiceName{Namespace: x.Service.Namespace, Name: x.Service.Name},
			Created: e.Created, Type: e.Type, IPFamilies: set.IPFamilies, Consumers: e.Consumers,
			SessionAffinity: set.SessionAffinity, SessionAffinitySeconds: set.SessionAffinitySeconds,
			InternalTrafficPolicy: set.InternalTrafficPolicy, TrafficDistribution: set.TrafficDistribution,
			Labels: set.Labels, Annotations: set.Annotations,
		}
		for _, p := range e.Ports {
			out.Ports = append(out.Ports, federation.Port{Name: p.Name, Protocol: p.Protocol, Number: p.Port, AppProtocol: p.AppProtocol})
		}
		list = append(list, out)
	}
	return list
}

// Policy is which namespaces may pass between this cluster and others, as rules that federation.ParseNamespaceRule reads.
type Policy struct {
	Import Rules `json:"import"`
	Export Rules `json:"export"`
}

// Rules are one policy: what is denied may not pass and, where anything is allowed, nothing else may.
type Rules struct {
	Allow []string `json:"allow"`
	Deny  []string `json:"deny"`
}

func rules(n federation.Namespaces) Rules {
	texts := func(list []federation.NamespaceRule) []string {
		out := []string{}
		for _, r := range list {
			out = append(out, r.String())
		}
		return out
	}
	return Rules{texts(n.Allow), texts(n.Deny)}
}

// Namespaces returns the policy that the rules are, or which of them is none.
func (r Rules) Namespaces() (n federation.Namespaces, err error) {
	parse := func(texts []string) (list []federation.NamespaceRule) {
		for _, text := range texts {
			rule, wrong := federation.ParseNamespaceRule(text)
			if wrong != nil {
				err = wrong
			}
			list = append(list, rule)
		}
		return list
	}
	n.Allow, n.Deny = parse(r.Allow), parse(r.Deny)
	return n, err
}
