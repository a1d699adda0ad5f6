package importer

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

var seedFlag = flag.Uint64("seed", 0, "seed of the random tests, to play a failure again; 0 draws one")

// random returns a generator whose seed is told when the test fails.
func random(t *testing.T) *rand.Rand {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("play it again with -seed=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// web returns a normalized export of port 80 with one endpoint for each address.
func web(cluster federation.ClusterID, name federation.ServiceName, addresses ...string) *federation.Export {
	e := &federation.Export{
		Cluster:         cluster,
		Name:            name,
		Created:         time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		Type:            federation.ClusterSetIP,
		Ports:           []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}},
		IPFamilies:      []federation.IPFamily{federation.IPv4},
		SessionAffinity: "None",
	}
	s := federation.Subset{Ports: []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}}}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, federation.Endpoint{Address: netip.MustParseAddr(a), Conditions: federation.Ready})
	}
	e.Subsets = []federation.Subset{s}
	e.Normalize()
	return e
}

// anyExport returns an export whose fields disagree with those of others as often as they agree. Names
// and numbers of ports are drawn from few, also such as a generated name would be.
func anyExport(r *rand.Rand, cluster federation.ClusterID) *federation.Export {
	e := web(cluster, shopWeb, "10.0.0.1")
	e.Created = e.Created.Add(time.Duration(r.IntN(3))*time.Second + pick(r, 0, time.Hour, -time.Hour))
	e.Type = pick(r, federation.ClusterSetIP, federation.Headless)
	e.IPFamilies = pick(r, e.IPFamilies, []federation.IPFamily{federation.IPv6})
	e.SessionAffinity = pick(r, "None", "ClientIP")
	e.SessionAffinitySeconds = r.Int32N(2)
	e.InternalTrafficPolicy = pick(r, "", "Local")
	e.TrafficDistribution = pick(r, "", "PreferClose")
	e.Labels = pick(r, nil, map[string]string{"a": string(cluster)})
	e.Annotations = pick(r, nil, map[string]string{"b": string(cluster)})
	e.Ports, e.Subsets = nil, nil
	names := []string{"", "http", "grpc", "port-80-tcp", "port-80-tcp-2", "port-81-udp"}
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	var targets []federation.TargetPort
	for _, n := range names[:r.IntN(len(names))] {
		p := federation.Port{Name: n, Protocol: pick(r, federation.TCP, federation.UDP), Number: uint16(80 + r.IntN(3))}
		if !slices.ContainsFunc(e.Ports, func(o federation.Port) bool { return sameNumber(o, p) }) {
			e.Ports = append(e.Ports, p)
			targets = append(targets, federation.TargetPort{Name: n, Protocol: p.Protocol, Number: 8000 + p.Number})
		}
	}
	e.Subsets = []federation.Subset{{Ports: targets, Endpoints: []federation.Endpoint{{Address: netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + r.IntN(9))})}}}}
	e.Normalize()
	return e
}

// anyExports returns exports of one service by several clusters, by cluster ID as the Store gives them.
func anyExports(r *rand.Rand) []*federation.Export {
	var list []*federation.Export
	for i := range 1 + r.IntN(pick(r, 5, 20)) {
		list = append(list, anyExport(r, federation.ClusterID(fmt.Sprintf("c-%02d", i))))
	}
	return list
}

func sameNumber(a, b federation.Port) bool { return a.Protocol == b.Protocol && a.Number == b.Number }

var shopWeb = federation.ServiceName{Namespace: "shop", Name: "web"}

// content returns the Services of a View by name.
func content(v *View) map[federation.ServiceName]*Service {
	m := map[federation.ServiceName]*Service{}
	for s := range v.All() {
		m[s.Name] = s
	}
	return m
}

// sortedNames lists the names of a View, for messages.
func sortedNames(v *View) string {
	var b strings.Builder
	for _, n := range slices.SortedFunc(maps.Keys(content(v)), federation.ServiceName.Compare) {
		fmt.Fprintf(&b, "%s ", n)
	}
	return b.String()
}

// usual is what an importer is told that is told nothing.
var usual = Config{Patience: federation.DefaultPatience}
