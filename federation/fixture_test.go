package federation

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
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

func named(name string) ServiceName { return ServiceName{Namespace: "shop", Name: name} }

// web returns a normalized export with one endpoint for each address, all of one subset.
func web(cluster ClusterID, name string, addresses ...string) *Export {
	e := &Export{
		Cluster:         cluster,
		Name:            named(name),
		Created:         time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Type:            ClusterSetIP,
		Ports:           []Port{{Name: "http", Protocol: TCP, AppProtocol: "http", Number: 80}},
		IPFamilies:      []IPFamily{IPv4},
		SessionAffinity: "None",
		Labels:          map[string]string{"team": "shop"},
	}
	for _, a := range addresses {
		e.Subsets = append(e.Subsets, Subset{
			Ports:     []TargetPort{{Name: "http", Protocol: TCP, Number: 8080}},
			Endpoints: []Endpoint{{Address: netip.MustParseAddr(a), Zone: "z1", Region: "r1", Conditions: Ready | Serving}},
		})
	}
	e.Normalize()
	return e
}

// whole returns an update with the complete set of a cluster.
func whole(cluster ClusterID, to Version, exports ...*Export) *Update {
	return &Update{Owner: cluster, To: to, Put: exports}
}

func mustApply(t *testing.T, s *Store, u *Update) {
	t.Helper()
	if err := s.Apply(u); err != nil {
		t.Fatal(err)
	}
}

// said returns what s holds of one cluster, by name.
func said(s *Store, cluster ClusterID) map[ServiceName]*Export {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return maps.Clone(o.exports)
	}
	return nil
}

// sameSay reports whether both hold equal exports under the same names.
func sameSay(a, b map[ServiceName]*Export) bool { return maps.EqualFunc(a, b, (*Export).Equal) }

// woken reports whether the channel is closed.
func woken(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// names returns n different service names.
func names(n int) []ServiceName {
	list := make([]ServiceName, n)
	for i := range list {
		list[i] = named(fmt.Sprintf("s-%d", i))
	}
	return list
}
