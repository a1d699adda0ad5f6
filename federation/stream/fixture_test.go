package stream

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
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

// anyExport returns a normalized export that passes Check, with anything in any field.
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
		for range r.IntN(5) {
			s.Endpoints = append(s.Endpoints, federation.Endpoint{
				Address: anyAddress(r), Hostname: pick(r, "", "web-0"), Zone: pick(r, "", "z1"), Region: pick(r, "", "r1"),
				Conditions: federation.Conditions(r.IntN(8)),
			})
		}
		e.Subsets = append(e.Subsets, s)
	}
	e.Normalize()
	return e
}

// sameUpdate reports whether both carry the same.
func sameUpdate(a, b *federation.Update) bool {
	if a.Owner != b.Owner || a.From != b.From || a.To != b.To || len(a.Put) != len(b.Put) || fmt.Sprint(a.Withdrawn) != fmt.Sprint(b.Withdrawn) {
		return false
	}
	for i := range a.Put {
		if !a.Put[i].Equal(b.Put[i]) {
			return false
		}
	}
	return true
}
