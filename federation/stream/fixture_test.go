package stream

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

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

// epoch is when every scripted session begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func named(name string) federation.ServiceName {
	return federation.ServiceName{Namespace: "shop", Name: name}
}

var webName = named("web")

// export returns a normalized export of cluster with one endpoint for each address.
func export(cluster federation.ClusterID, name string, addresses ...string) *federation.Export {
	e := &federation.Export{
		Cluster:         cluster,
		Name:            named(name),
		Created:         time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Type:            federation.ClusterSetIP,
		Ports:           []federation.Port{{Name: "http", Protocol: federation.TCP, AppProtocol: "http", Number: 80}},
		IPFamilies:      []federation.IPFamily{federation.IPv4},
		SessionAffinity: "None",
		Labels:          map[string]string{"team": "shop"},
	}
	subset := federation.Subset{Ports: []federation.TargetPort{{Name: "http", Protocol: federation.TCP, Number: 8080}}}
	for _, a := range addresses {
		subset.Endpoints = append(subset.Endpoints, federation.Endpoint{
			Address: netip.MustParseAddr(a), Hostname: "web-0", Zone: "z1", Region: "r1", Conditions: federation.Ready | federation.Serving,
		})
	}
	e.Subsets = []federation.Subset{subset}
	e.Normalize()
	return e
}

// addresses returns n different ones.
func addresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("10.%d.%d.%d", i/62500, i/250%250, i%250+1)
	}
	return list
}

// many returns n exports of two endpoints each.
func many(cluster federation.ClusterID, n int) []*federation.Export {
	list := make([]*federation.Export, n)
	for i := range list {
		list[i] = export(cluster, fmt.Sprintf("s-%d", i), fmt.Sprintf("10.%d.%d.1", i/250, i%250), fmt.Sprintf("10.%d.%d.2", i/250, i%250))
	}
	return list
}

// edited returns a copy of e in which edit changed something, normalized; e is left as it is.
func edited(e *federation.Export, edit func(*federation.Export)) *federation.Export {
	c := *e
	c.Labels = maps.Clone(e.Labels)
	c.Subsets = make([]federation.Subset, len(e.Subsets))
	for i, s := range e.Subsets {
		c.Subsets[i] = federation.Subset{Ports: slices.Clone(s.Ports), Endpoints: slices.Clone(s.Endpoints)}
	}
	edit(&c)
	c.Normalize()
	return &c
}

// flipped returns a copy of e in which one endpoint is ready that was not, or the reverse.
func flipped(e *federation.Export, i int) *federation.Export {
	return edited(e, func(e *federation.Export) { e.Subsets[0].Endpoints[i].Conditions ^= federation.Ready })
}

func anyPairs(r *rand.Rand, values ...string) map[string]string {
	pairs := map[string]string{}
	for i := range r.IntN(4) {
		pairs[fmt.Sprintf("hansa.dev/%d", i)] = pick(r, values...)
	}
	return pairs
}

func anyAddress(r *rand.Rand) netip.Addr {
	if r.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(4)), byte(r.IntN(256))})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(r.IntN(256))})
}

func anyEndpoint(r *rand.Rand) federation.Endpoint {
	return federation.Endpoint{
		Address: anyAddress(r), Hostname: pick(r, "", "web-0"), Zone: pick(r, "", "z1"), Region: pick(r, "", "r1"),
		Conditions: federation.Conditions(r.IntN(8)),
	}
}

// anyExtra returns fields that this version does not know, or none.
func anyExtra(r *rand.Rand) []byte {
	if r.IntN(2) == 0 {
		return nil
	}
	extra := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), r.Uint64())
	return protowire.AppendBytes(protowire.AppendTag(extra, 1001, protowire.BytesType), make([]byte, r.IntN(9)))
}

// anyExport returns a normalized export that passes Check, with anything in any field, some of many endpoints.
func anyExport(r *rand.Rand, cluster federation.ClusterID, name string) *federation.Export {
	protocol := func() federation.Protocol { return pick(r, federation.TCP, federation.UDP, federation.SCTP) }
	e := &federation.Export{
		Cluster:                cluster,
		Name:                   federation.ServiceName{Namespace: pick(r, "shop", "bank"), Name: name},
		Created:                time.Unix(r.Int64N(4e9), r.Int64N(1e9)),
		Type:                   pick(r, federation.ClusterSetIP, federation.Headless),
		IPFamilies:             pick(r, nil, []federation.IPFamily{federation.IPv6}, []federation.IPFamily{federation.IPv6, federation.IPv4}),
		SessionAffinity:        pick(r, "None", "ClientIP"),
		SessionAffinitySeconds: r.Int32N(86401),
		InternalTrafficPolicy:  pick(r, "", "Cluster", "Local"),
		TrafficDistribution:    pick(r, "", "PreferClose", "PreferSameZone"),
		Labels:                 anyPairs(r, "", "a", "A.b_c"),
		Annotations:            anyPairs(r, "", "a", "ü\n"),
		Network:                pick(r, "", "vpc-1"),
		Extra:                  anyExtra(r),
	}
	least := 0
	if e.Type == federation.ClusterSetIP {
		least = 1
	}
	for i := range least + r.IntN(4) {
		e.Ports = append(e.Ports, federation.Port{Name: fmt.Sprintf("p-%d", i), Protocol: protocol(), AppProtocol: pick(r, "", "kubernetes.io/h2c"), Number: uint16(1 + r.IntN(65535))})
	}
	for range r.IntN(4) {
		var s federation.Subset
		for _, p := range e.Ports {
			s.Ports = append(s.Ports, federation.TargetPort{Name: p.Name, Protocol: p.Protocol, Number: uint16(1 + r.IntN(65535))})
		}
		for range r.IntN(pick(r, 5, 40)) {
			s.Endpoints = append(s.Endpoints, anyEndpoint(r))
		}
		e.Subsets = append(e.Subsets, s)
	}
	e.Normalize()
	return e
}

// anyEdit returns a copy of e with a few endpoints gone, come or changed.
func anyEdit(r *rand.Rand, e *federation.Export) *federation.Export {
	return edited(e, func(e *federation.Export) {
		for i := range e.Subsets {
			list := &e.Subsets[i].Endpoints
			for range r.IntN(3) {
				switch n := len(*list); {
				case n == 0 || r.IntN(3) == 0:
					*list = append(*list, anyEndpoint(r))
				case r.IntN(2) == 0:
					(*list)[r.IntN(n)].Conditions ^= federation.Ready
				default:
					at := r.IntN(n)
					*list = slices.Delete(*list, at, at+1)
				}
			}
		}
	})
}

// unknownBytes returns a field that this version does not know.
func unknownBytes(field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, field, protowire.BytesType), data)
}
