package federation

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"
)

// anyExport returns an export with shuffled subsets, some of them with the same ports, some empty; no
// two endpoints of the same ports share address and host name.
func anyExport(r *rand.Rand) *Export {
	e := web("east", "web")
	for i := range r.IntN(12) {
		s := Subset{Ports: []TargetPort{{"http", TCP, uint16(8080 + r.IntN(3))}, {"metrics", TCP, 9090}}}
		shuffle(r, s.Ports)
		for j := range r.IntN(5) {
			s.Endpoints = append(s.Endpoints, Endpoint{
				Address:    netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}),
				Hostname:   []string{"", "web-" + strconv.Itoa(j)}[r.IntN(2)],
				Conditions: Conditions(r.IntN(8)),
			})
		}
		e.Subsets = append(e.Subsets, s)
	}
	return e
}

func shuffle[T any](r *rand.Rand, list []T) {
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// shuffled returns the same content in another order and grouping.
func shuffled(r *rand.Rand, e *Export) *Export {
	c := *e
	c.Subsets = nil
	for _, s := range e.Subsets {
		ports, endpoints := slices.Clone(s.Ports), slices.Clone(s.Endpoints)
		shuffle(r, ports)
		shuffle(r, endpoints)
		cut := r.IntN(len(endpoints) + 1)
		c.Subsets = append(c.Subsets,
			Subset{slices.Clone(ports), slices.Clone(endpoints[:cut])}, Subset{ports, slices.Clone(endpoints[cut:])})
	}
	shuffle(r, c.Subsets)
	return &c
}

// However EndpointSlices order and group the endpoints, the Export is the same, and its subsets have
// different ports and are not empty.
func TestNormalizeForgetsOrderAndGrouping(t *testing.T) {
	r := random(t)
	for range 300 {
		a := anyExport(r)
		b := shuffled(r, a)
		a.Normalize()
		b.Normalize()
		if !a.Equal(b) {
			t.Fatalf("differ:\n%+v\n%+v", a.Subsets, b.Subsets)
		}
		for i, s := range a.Subsets {
			if len(s.Endpoints) == 0 || i > 0 && compareSubsets(a.Subsets[i-1], s) >= 0 {
				t.Fatalf("subset %d is empty, or not behind the one before: %+v", i, a.Subsets)
			}
		}
	}
}

func TestNormalizeTwiceChangesNothing(t *testing.T) {
	r := random(t)
	for range 300 {
		once := anyExport(r)
		once.Normalize()
		twice := *once
		twice.Subsets = slices.Clone(once.Subsets)
		twice.Normalize()
		if !once.Equal(&twice) {
			t.Fatalf("once:\n%+v\ntwice:\n%+v", once.Subsets, twice.Subsets)
		}
	}
}

// The first of two endpoints with the same address and host name stays.
func TestNormalizeKeepsTheFirstOfTwins(t *testing.T) {
	e := web("east", "web", "10.0.0.1", "10.0.0.2")
	twin := e.Subsets[0].Endpoints[0]
	twin.Zone = "z2"
	e.Subsets = append(e.Subsets, Subset{slices.Clone(e.Subsets[0].Ports), []Endpoint{twin}})
	e.Normalize()
	if !e.Equal(web("east", "web", "10.0.0.1", "10.0.0.2")) {
		t.Errorf("got %+v", e.Subsets)
	}
}

// Created counts in whole seconds of UTC: Kubernetes keeps no more.
func TestNormalizeCutsTheTimeToSeconds(t *testing.T) {
	a, b := web("east", "web"), web("east", "web")
	b.Created = a.Created.Add(999 * time.Millisecond).In(time.FixedZone("CET", 3600))
	b.Normalize()
	if !a.Equal(b) || b.Created.Location() != time.UTC {
		t.Errorf("%s is not %s", b.Created, a.Created)
	}
}

// Checklist 17: the oldest comes first, of the same second the lower cluster ID.
func TestPrecedenceIsByAgeThenClusterID(t *testing.T) {
	young, old, tie := web("a", "web"), web("z", "web"), web("b", "web")
	old.Created = old.Created.Add(-time.Second)
	list := []*Export{tie, young, old}
	slices.SortFunc(list, (*Export).CompareAge)
	if !slices.Equal(list, []*Export{old, young, tie}) {
		t.Errorf("got %s, %s, %s", list[0].Cluster, list[1].Cluster, list[2].Cluster)
	}
}
