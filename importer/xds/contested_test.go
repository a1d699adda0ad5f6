package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// BenchmarkContested measures what one changed endpoint costs an assignment of 100 clusters with 100 endpoints each, where
// their addresses lie apart and where they interleave, as in one set of subnets.
func BenchmarkContested(b *testing.B) {
	const clusters, endpoints = 100, 100
	for name, at := range map[string]func(cluster, endpoint int) int{
		"apart":       func(c, e int) int { return c<<8 + e },
		"interleaved": func(c, e int) int { return e<<8 + c },
		"the same":    func(_, e int) int { return e << 8 },
	} {
		b.Run(name, func(b *testing.B) {
			exportOf := func(c, changed int) *federation.Export {
				var spots []federation.Endpoint
				for e := range endpoints {
					n := at(c, e)
					if e == changed {
						n += endpoints
					}
					address := netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)})
					spots = append(spots, spot(fmt.Sprintf("z%d/%s", e%3, address), ready))
				}
				return export(federation.ClusterID(fmt.Sprintf("c%03d", c)), spots...)
			}
			var exports []*federation.Export
			for c := range clusters {
				exports = append(exports, exportOf(c, endpoints))
			}
			versions := [2]*importer.Service{importer.Merge(exports)}
			exports[clusters/2] = exportOf(clusters/2, endpoints/2)
			versions[1] = importer.Merge(exports)
			now := newAssignment("web", versions[0], versions[0].Ports[0], "own", nil)
			now.portions()
			b.ReportAllocs()
			for i := 1; b.Loop(); i++ {
				s := versions[i%2]
				now = newAssignment("web", s, s.Ports[0], "own", now)
				now.portions()
			}
		})
	}
}

// TestSettleIsWhatEveryAddressIsAskedFor changes exports of a few clusters again and again, whose addresses lie apart or
// interleave. What each gives must be as if all of it were made anew, and be kept where that is the same.
func TestSettleIsWhatEveryAddressIsAskedFor(t *testing.T) {
	kept, contested := 0, 0
	for seed := range uint64(1000) {
		r := rand.New(rand.NewPCG(seed, 8))
		exports := map[federation.ClusterID]*federation.Export{}
		var before []*portion
		for range 8 {
			for range 1 + r.IntN(2) {
				c := federation.ClusterID(fmt.Sprintf("c%d", r.IntN(6)))
				if exports[c] = scattered(r, c); r.IntN(4) == 0 {
					delete(exports, c)
				}
			}
			given := portionsOf(exports, before)
			now := settle(given, before, "c2")
			winner := winners(given, "c2")
			for i, p := range now {
				var without []netip.AddrPort
				for _, a := range given[i].addresses() {
					if winner[a] != p.export.Cluster {
						without = append(without, a)
					}
				}
				contested += len(without)
				if want := newPortion(p.source, without); !reflect.DeepEqual(p.ready, want.ready) || !slices.Equal(p.without, without) {
					t.Fatalf("seed %d: %s gives %v without %v, want %v without %v", seed, p.export.Cluster, p.ready, p.without, want.ready, without)
				}
				former := portionOf(before, p.export.Cluster)
				if former == nil || former.source != p.source || !slices.Equal(former.without, without) {
					continue
				}
				if kept++; former.claims != nil && former != p || former.ready != nil && &former.ready[0] != &p.ready[0] {
					t.Fatalf("seed %d: %s is made anew", seed, p.export.Cluster)
				}
			}
			before = now
		}
	}
	if kept < 1000 || contested < 1000 {
		t.Errorf("%d portions kept, %d addresses contested: that is no test", kept, contested)
	}
}

// scattered is an export whose addresses are every so many, from where those of some other clusters may be.
func scattered(r *rand.Rand, c federation.ClusterID) *federation.Export {
	var spots []federation.Endpoint
	first, step := 20*r.IntN(8), 1+r.IntN(9)
	for e := range r.IntN(8) {
		text := "z/10.0.0.%d"
		if r.IntN(8) == 0 {
			text = "z/fd00::%x"
		}
		spots = append(spots, spot(fmt.Sprintf(text, first+e*step), federation.Conditions(r.IntN(8))))
	}
	return export(c, spots...)
}

// portionsOf returns what exports give, each the same as before where it is of the same export.
func portionsOf(exports map[federation.ClusterID]*federation.Export, before []*portion) (list []*portion) {
	port := importer.Merge([]*federation.Export{export("c0")}).Ports[0]
	for _, c := range slices.Sorted(maps.Keys(exports)) {
		p := portionOf(before, c)
		if p == nil || p.export != exports[c] {
			p = newPortion(source{exports[c], port}, nil)
		}
		list = append(list, p)
	}
	return list
}

// winners returns whom each address goes to.
func winners(portions []*portion, own federation.ClusterID) map[netip.AddrPort]federation.ClusterID {
	all := map[netip.AddrPort]federation.ClusterID{}
	for _, p := range portions {
		for _, a := range p.addresses() {
			if _, taken := all[a]; !taken || p.export.Cluster == own {
				all[a] = p.export.Cluster
			}
		}
	}
	return all
}
