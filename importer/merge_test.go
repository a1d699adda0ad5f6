package importer

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// Promise 5, checklist 16: in whatever order the exports arrived, every member concludes the same. Checklist 18:
// and however the clocks of their clusters stood, as their times alone decide.
func TestMergeForgetsTheOrderOfArrival(t *testing.T) {
	rule.Covers(t, "#16", "#18")
	r := random(t)
	for range 500 {
		exports := anyExports(r)
		want := printService(Merge(exports))
		for range 5 {
			arrived := slices.Clone(exports)
			r.Shuffle(len(arrived), func(i, j int) { arrived[i], arrived[j] = arrived[j], arrived[i] })
			if got := printService(Merge(byCluster(arrived))); got != want {
				t.Fatalf("in one order:\n%s\nin another:\n%s", want, got)
			}
		}
	}
}

// Merge reads the exports, and writes to none: other goroutines read them, too.
func TestMergeLeavesTheExportsAlone(t *testing.T) {
	r := random(t)
	for range 200 {
		seed := r.Uint64()
		again := func() []*federation.Export { return anyExports(rand.New(rand.NewPCG(seed, 1))) }
		exports := again()
		given := slices.Clone(exports)
		Merge(exports)
		if !slices.Equal(exports, given) || !slices.EqualFunc(exports, again(), (*federation.Export).Equal) {
			t.Fatal("the exports are not what they were")
		}
	}
}

// Checklist 19: merged ports have no name and no protocol and number twice; each comes from an export,
// named as there or marked as generated; of each export's ports one of the same name or number is there.
func TestMergedPortsAreAUnionWithoutDuplicates(t *testing.T) {
	rule.Covers(t, "#19")
	r := random(t)
	for range 1000 {
		exports := anyExports(r)
		ports := Merge(exports).Ports
		for i, p := range ports {
			if slices.ContainsFunc(ports[:i], func(o Port) bool { return o.Name == p.Name || sameNumber(o.Port, p.Port) }) {
				t.Fatalf("%+v is given twice in %+v", p, ports)
			}
			if p.Name == "" && len(ports) > 1 || p.Generated && len(ports) == 1 || !hasPort(exports, p) {
				t.Fatalf("where does %+v come from, in %+v", p, ports)
			}
		}
		for _, e := range exports {
			for _, own := range e.Ports {
				if !slices.ContainsFunc(ports, func(p Port) bool { return originalName(p) == own.Name || sameNumber(p.Port, own) }) {
					t.Fatalf("%+v of %s conflicts with nothing, and is not in %+v", own, e.Cluster, ports)
				}
			}
		}
	}
}

func originalName(p Port) string {
	if p.Generated {
		return ""
	}
	return p.Name
}

func hasPort(exports []*federation.Export, p Port) bool {
	own := p.Port
	own.Name = originalName(p)
	return slices.ContainsFunc(exports, func(e *federation.Export) bool { return slices.Contains(e.Ports, own) })
}

// The oldest export's ports are all there, as they are: an older word is never bent by a younger one.
func TestOldestExportKeepsItsPorts(t *testing.T) {
	rule.Covers(t, "#16")
	r := random(t)
	for range 500 {
		exports := anyExports(r)
		oldest := slices.MinFunc(exports, (*federation.Export).CompareAge)
		ports := Merge(exports).Ports
		for i, own := range oldest.Ports {
			if p := ports[i]; originalName(p) != own.Name || !sameNumber(p.Port, own) {
				t.Fatalf("port %d is %+v, the oldest export's is %+v", i, p, own)
			}
		}
	}
}

// Checklist 22: traffic to a port goes to just those endpoints whose cluster has the port in its own
// Service by protocol and number, at the number that serves it there.
func TestBackendsExposeThePort(t *testing.T) {
	rule.Covers(t, "#22")
	r := random(t)
	for range 500 {
		exports := anyExports(r)
		s := Merge(exports)
		for _, p := range s.Ports {
			var want []Backend
			for _, e := range exports {
				if slices.ContainsFunc(e.Ports, func(own federation.Port) bool { return sameNumber(own, p.Port) }) {
					want = append(want, Backend{e.Cluster, &e.Subsets[0].Endpoints[0], 8000 + p.Number, false})
				}
			}
			if got := slices.Collect(s.Backends(p)); !slices.Equal(got, want) {
				t.Fatalf("%+v is served by %+v, want %+v", p, got, want)
			}
		}
	}
}

// A reader that has seen enough stops, and is not called again.
func TestBackendsStopWhenAsked(t *testing.T) {
	s := Merge([]*federation.Export{web("a", shopWeb, "10.0.0.1", "10.0.0.2"), web("b", shopWeb, "10.1.0.1")})
	seen := 0
	for range s.Backends(s.Ports[0]) {
		seen++
		break
	}
	if all := len(slices.Collect(s.Backends(s.Ports[0]))); seen != 1 || all != 3 {
		t.Errorf("saw %d of %d", seen, all)
	}
}

// A port that no cluster has is served by nobody, and so is one that a subset does not serve.
func TestPortThatNobodyHasIsServedByNobody(t *testing.T) {
	e := web("a", shopWeb, "10.0.0.1")
	s := Merge([]*federation.Export{e})
	for _, p := range []federation.Port{
		{Name: "http", Protocol: federation.TCP, Number: 81},
		{Name: "http", Protocol: federation.UDP, Number: 80},
	} {
		if got := slices.Collect(s.Backends(Port{Port: p})); len(got) != 0 {
			t.Errorf("%+v is served by %+v", p, got)
		}
	}
	if _, ok := TargetPort(e, &federation.Subset{}, s.Ports[0]); ok {
		t.Error("a subset without ports serves one")
	}
}
