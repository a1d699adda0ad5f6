package kube

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/federation"
)

// web is the service of all tests here.
var web = federation.ServiceName{Namespace: "shop", Name: "web"}

// saying is an Export as the golden files write it. What is left open is as in the most common Service.
type saying struct {
	Cluster                                    federation.ClusterID
	Created                                    time.Time
	Type                                       federation.ServiceType
	Families                                   []federation.IPFamily
	Ports                                      []string // "http 80/TCP", with the appProtocol after it
	Affinity                                   string
	AffinitySeconds                            int32
	InternalTrafficPolicy, TrafficDistribution string
	Labels, Annotations                        map[string]string
	Prefer, Weights, MinHealthy                string // as the annotations of a ServiceExport have them
	Subsets                                    []struct {
		Ports     []string // "http 8080/TCP"
		Endpoints []string // "10.1.0.1 host=db-0 zone=z1 region=r1 node=n1 terminating"; "-ready" and "-serving" take off
	}
}

// parseExports reads a list of sayings. Every one must be an Export that could have come from outside.
func parseExports(t testing.TB, text []byte) []*federation.Export {
	t.Helper()
	var list []saying
	if err := yaml.UnmarshalStrict(text, &list); err != nil {
		t.Fatalf("exports: %v", err)
	}
	var out []*federation.Export
	for _, s := range list {
		e := s.export(t)
		if err := e.Check(); err != nil {
			t.Fatalf("export of %s: %v", s.Cluster, err)
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *federation.Export) int { return strings.Compare(string(a.Cluster), string(b.Cluster)) })
	return out
}

func (s saying) export(t testing.TB) *federation.Export {
	t.Helper()
	e := &federation.Export{
		Cluster: s.Cluster, Name: web, Created: s.Created, Type: or(s.Type, federation.ClusterSetIP), IPFamilies: s.Families,
		SessionAffinity: or(s.Affinity, "None"), SessionAffinitySeconds: s.AffinitySeconds,
		InternalTrafficPolicy: s.InternalTrafficPolicy, TrafficDistribution: s.TrafficDistribution,
		Labels: s.Labels, Annotations: s.Annotations,
	}
	e.Steering = s.steering(t)
	if e.Created.IsZero() {
		e.Created = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if s.Families == nil {
		e.IPFamilies = []federation.IPFamily{federation.IPv4}
	}
	for _, p := range s.Ports {
		name, number, protocol, app := parsePort(t, p)
		e.Ports = append(e.Ports, federation.Port{Name: name, Protocol: protocol, Number: number, AppProtocol: app})
	}
	for _, sub := range s.Subsets {
		subset := federation.Subset{}
		for _, p := range sub.Ports {
			name, number, protocol, _ := parsePort(t, p)
			subset.Ports = append(subset.Ports, federation.TargetPort{Name: name, Protocol: protocol, Number: number})
		}
		for _, ep := range sub.Endpoints {
			subset.Endpoints = append(subset.Endpoints, parseEndpoint(t, ep))
		}
		e.Subsets = append(e.Subsets, subset)
	}
	e.Normalize()
	return e
}

func (s saying) steering(t testing.TB) (wish federation.Steering) {
	t.Helper()
	var errs [3]error
	if s.Prefer != "" {
		wish.Prefer, errs[0] = federation.ParsePrefer(s.Prefer)
	}
	if s.Weights != "" {
		wish.Weights, errs[1] = federation.ParseWeights(s.Weights)
	}
	if s.MinHealthy != "" {
		wish.MinHealthy, errs[2] = federation.ParseShare(s.MinHealthy)
	}
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return wish
}

func or[T comparable](a, b T) T {
	var zero T
	if a == zero {
		return b
	}
	return a
}

// parsePort reads "name number/protocol app"; the name "-" is no name.
func parsePort(t testing.TB, text string) (name string, number uint16, protocol federation.Protocol, app string) {
	t.Helper()
	words := append(strings.Fields(text), "")
	if _, err := fmt.Sscanf(words[1], "%d/%s", &number, &protocol); err != nil {
		t.Fatalf("port %q: want name number/protocol: %v", text, err)
	}
	return strings.TrimPrefix(words[0], "-"), number, protocol, words[2]
}

func parseEndpoint(t testing.TB, text string) federation.Endpoint {
	t.Helper()
	words := strings.Fields(text)
	address, err := netip.ParseAddr(words[0])
	if err != nil {
		t.Fatalf("endpoint %q: %v", text, err)
	}
	ep := federation.Endpoint{Address: address, Conditions: federation.Ready | federation.Serving}
	for _, w := range words[1:] {
		key, value, _ := strings.Cut(w, "=")
		switch key {
		case "host":
			ep.Hostname = value
		case "zone":
			ep.Zone = value
		case "region":
			ep.Region = value
		case "node":
			ep.Node = value
		case "terminating":
			ep.Conditions |= federation.Terminating
		case "-ready":
			ep.Conditions &^= federation.Ready
		case "-serving":
			ep.Conditions &^= federation.Serving
		default:
			t.Fatalf("endpoint %q: what is %q?", text, w)
		}
	}
	return ep
}

// parseFates reads a line "cluster fate" for each cluster that is not served.
func parseFates(t testing.TB, text string) map[federation.ClusterID]federation.Fate {
	t.Helper()
	fates := map[federation.ClusterID]federation.Fate{}
	words := map[string]federation.Fate{"demoted": federation.Demoted, "withdrawn": federation.Withdrawn}
	for line := range strings.Lines(text) {
		cluster, word, _ := strings.Cut(strings.TrimSpace(line), " ")
		fate, known := words[word]
		if !known {
			t.Fatalf("fate %q: want cluster demoted, or cluster withdrawn", line)
		}
		fates[federation.ClusterID(cluster)] = fate
	}
	return fates
}
