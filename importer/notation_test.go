package importer

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// readExports reads exports of shop/web in the notation of testdata: one line for each fact, a cluster
// line before those of its export.
//
//	cluster <id>
//	created <RFC 3339>
//	type <type>
//	port <name, - for none> <protocol> <number> [<app protocol>]
//	families <family>...
//	affinity <affinity> [<seconds>]
//	internal <policy>
//	distribution <distribution>
//	label <key> <value>
//	annotation <key> <value>
//	prefer|weights|healthy <as in the annotation>
//	endpoints <port>=<number>,... <address>...
func readExports(text string) (list []*federation.Export, err error) {
	for n, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if words[0] == "cluster" {
			list = append(list, &federation.Export{
				Cluster: federation.ClusterID(words[1]), Name: shopWeb, SessionAffinity: "None",
				Labels: map[string]string{}, Annotations: map[string]string{},
			})
		} else if err := readFact(list[len(list)-1], words[0], words[1:]); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", n+1, line, err)
		}
	}
	for _, e := range list {
		e.Normalize()
		if err := e.Check(); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", e.Cluster, err)
		}
	}
	return list, nil
}

func readFact(e *federation.Export, fact string, words []string) (err error) {
	switch fact {
	case "created":
		e.Created, err = time.Parse(time.RFC3339, words[0])
	case "type":
		e.Type = federation.ServiceType(words[0])
	case "port":
		p := federation.Port{Name: strings.TrimPrefix(words[0], "-"), Protocol: federation.Protocol(words[1])}
		p.Number, err = readNumber(words[2])
		p.AppProtocol = strings.Join(words[3:], "")
		e.Ports = append(e.Ports, p)
	case "families":
		for _, f := range words {
			e.IPFamilies = append(e.IPFamilies, federation.IPFamily(f))
		}
	case "affinity":
		e.SessionAffinity = words[0]
		if len(words) > 1 {
			var seconds int
			seconds, err = strconv.Atoi(words[1])
			e.SessionAffinitySeconds = int32(seconds)
		}
	case "internal":
		e.InternalTrafficPolicy = words[0]
	case "distribution":
		e.TrafficDistribution = words[0]
	case "label":
		e.Labels[words[0]] = words[1]
	case "annotation":
		e.Annotations[words[0]] = words[1]
	case "prefer":
		e.Steering.Prefer, err = federation.ParsePrefer(words[0])
	case "weights":
		e.Steering.Weights, err = federation.ParseWeights(words[0])
	case "healthy":
		e.Steering.MinHealthy, err = federation.ParseShare(words[0])
	case "endpoints":
		err = readEndpoints(e, words[0], words[1:])
	default:
		err = fmt.Errorf("unknown fact %q", fact)
	}
	return err
}

func readEndpoints(e *federation.Export, ports string, addresses []string) error {
	var s federation.Subset
	for p := range strings.SplitSeq(ports, ",") {
		name, text, _ := strings.Cut(p, "=")
		number, err := readNumber(text)
		if err != nil {
			return err
		}
		name = strings.TrimPrefix(name, "-")
		i := slices.IndexFunc(e.Ports, func(p federation.Port) bool { return p.Name == name })
		if i < 0 {
			return fmt.Errorf("no port %q", name)
		}
		s.Ports = append(s.Ports, federation.TargetPort{Name: name, Protocol: e.Ports[i].Protocol, Number: number})
	}
	for _, a := range addresses {
		address, err := netip.ParseAddr(a)
		if err != nil {
			return err
		}
		s.Endpoints = append(s.Endpoints, federation.Endpoint{Address: address, Conditions: federation.Ready})
	}
	e.Subsets = append(e.Subsets, s)
	return nil
}

func readNumber(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}

// printService writes all of a Service in the same notation, each port followed by its backends.
func printService(s *Service) string {
	var b strings.Builder
	line := func(words ...any) { fmt.Fprintln(&b, words...) }
	line("type", s.Type)
	for _, p := range s.Ports {
		words := []any{"port", cmp.Or(p.Name, "-"), p.Protocol, p.Number}
		if p.AppProtocol != "" {
			words = append(words, p.AppProtocol)
		}
		if p.Generated {
			words = append(words, "(generated)")
		}
		line(words...)
		for backend := range s.Backends(p) {
			line("  to", backend.Cluster, netip.AddrPortFrom(backend.Endpoint.Address, backend.Port))
		}
	}
	line(append([]any{"families"}, anys(s.IPFamilies)...)...)
	line("affinity", s.SessionAffinity, s.SessionAffinitySeconds)
	line("internal", cmp.Or(s.InternalTrafficPolicy, "-"))
	line("distribution", cmp.Or(s.TrafficDistribution, "-"))
	if s.Steering.Given() {
		line("prefer", strings.Join(s.Steering.Prefer, ","), "weights", federation.ShowWeights(s.Steering.Weights), "healthy", s.Steering.MinHealthy)
	}
	for _, k := range slices.Sorted(maps.Keys(s.Labels)) {
		line("label", k, s.Labels[k])
	}
	for _, k := range slices.Sorted(maps.Keys(s.Annotations)) {
		line("annotation", k, s.Annotations[k])
	}
	for _, e := range s.Exports {
		line("from", e.Cluster)
	}
	for _, c := range s.Conflicts {
		line(c.Reason+":", c.Message())
	}
	return b.String()
}

func anys[T any](list []T) (out []any) {
	for _, v := range list {
		out = append(out, v)
	}
	return out
}
