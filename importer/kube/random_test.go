package kube

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomExports returns what some of three clusters say of web: anything that their API servers accept.
func randomExports(r *rand.Rand) []*federation.Export {
	var list []*federation.Export
	for _, cluster := range []federation.ClusterID{"a", "b", "c"} {
		if r.IntN(3) > 0 {
			list = append(list, randomExport(r, cluster))
		}
	}
	return list
}

func randomExport(r *rand.Rand, cluster federation.ClusterID) *federation.Export {
	e := &federation.Export{
		Cluster:               cluster,
		Name:                  web,
		Created:               time.Unix(r.Int64N(4), 0),
		Type:                  pick(r, federation.ClusterSetIP, federation.ClusterSetIP, federation.Headless),
		IPFamilies:            pick(r, []federation.IPFamily{"IPv4"}, []federation.IPFamily{"IPv6"}, []federation.IPFamily{"IPv4", "IPv6"}, []federation.IPFamily{"IPv6", "IPv4"}),
		SessionAffinity:       pick(r, "None", "None", "ClientIP"),
		InternalTrafficPolicy: pick(r, "", "Cluster", "Local"),
		TrafficDistribution:   pick(r, "", "PreferSameZone"),
		Labels:                pick(r, nil, map[string]string{"team": "red"}, map[string]string{"tier": "front", "hansa.dev/managed-by": "me"}),
		Annotations:           pick(r, nil, map[string]string{"note": "<grüß> & \"blue\""}),
		Network:               pick(r, "", "n1"),
	}
	if e.SessionAffinity == "ClientIP" {
		e.SessionAffinitySeconds = pick[int32](r, 0, 600)
	}
	e.Ports = randomPorts(r, e.Type)
	e.Steering.Prefer = pick(r, nil, nil, []string{"b", federation.NearAny}, []string{federation.NearAny, "a"})
	e.Steering.Weights = pick(r, nil, nil, []federation.Weight{{Cluster: "a"}, {Cluster: "c", Weight: 7}})
	e.Steering.MinHealthy = pick[uint8](r, 0, 0, 60)
	regions := pick(r, nil, nil, map[string]string{"z1": "r1", "z2": "r1"}, map[string]string{"z1": "r2", "": "r<3>"})
	for range r.IntN(4) {
		e.Subsets = append(e.Subsets, randomSubset(r, e.Ports, regions))
	}
	e.Normalize()
	return e
}

// randomPorts differ by name and by protocol and number, and have names when they are several.
func randomPorts(r *rand.Rand, kind federation.ServiceType) []federation.Port {
	var ports []federation.Port
	for range 3 {
		p := federation.Port{
			Name:        pick(r, "http", "admin", "dns"),
			Protocol:    pick(r, federation.TCP, federation.TCP, federation.UDP),
			Number:      pick[uint16](r, 53, 80, 81),
			AppProtocol: pick(r, "", "", "kubernetes.io/h2c"),
		}
		if !slices.ContainsFunc(ports, func(o federation.Port) bool {
			return o.Name == p.Name || o.Protocol == p.Protocol && o.Number == p.Number
		}) {
			ports = append(ports, p)
		}
	}
	switch n := r.IntN(4); {
	case n == 0 && kind == federation.Headless:
		return nil
	case n == 1:
		ports[0].Name = ""
		return ports[:1]
	}
	return ports
}

// randomSubset serves some of the ports, with endpoints that other subsets may have too.
func randomSubset(r *rand.Rand, ports []federation.Port, regions map[string]string) federation.Subset {
	var s federation.Subset
	for _, p := range ports {
		if r.IntN(4) > 0 {
			s.Ports = append(s.Ports, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: pick[uint16](r, 8080, 9090)})
		}
	}
	for range pick(r, 0, 1, 2, 2, 5, 5, 5, 5, 5, 5, 120) {
		n, zone := r.IntN(300), pick(r, "", "z1", "z2")
		s.Endpoints = append(s.Endpoints, federation.Endpoint{
			Address:    netip.MustParseAddr(fmt.Sprintf(pick(r, "10.1.%d.%d", "fd00::%x:%x"), n/100, n%100)),
			Hostname:   pick(r, "", "", "", "db-0"),
			Zone:       zone,
			Region:     regions[zone],
			Conditions: federation.Conditions(r.IntN(8)),
		})
	}
	return s
}
