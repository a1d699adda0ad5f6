package kube

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// TestRecallReturnsWhatWasExportedOfSilentClusters: what is demoted, and was, comes back as its cluster said it; of
// what is withdrawn all but the endpoints. Each step begins with the slices of the one before.
func TestRecallReturnsWhatWasExportedOfSilentClusters(t *testing.T) {
	rule.Covers(t, "S10", "#43")
	for seed := range uint64(15) {
		r := rand.New(rand.NewPCG(seed, 6))
		w := newWorld(t)
		w.server.families = append(w.server.families, "IPv6")
		w.exports = randomExports(r)
		for _, e := range w.exports {
			toldConditions(r, e)
		}
		for range 4 {
			w.fates = map[federation.ClusterID]federation.Fate{}
			for _, e := range w.exports {
				w.fates[e.Cluster] = pick(r, federation.Served, federation.Demoted, federation.Demoted, federation.Withdrawn)
			}
			w.settle()
			got, bad := Recall(w.server.current().Slices)
			if len(bad) > 0 || len(got) != len(w.exports) {
				t.Fatalf("seed %d: %d clusters of %d, errors %v", seed, len(got), len(w.exports), bad)
			}
			for _, e := range w.exports {
				want := *e
				if w.fates[e.Cluster] == federation.Withdrawn {
					want.Subsets = nil
				}
				if len(got[e.Cluster]) != 1 || !want.Equal(got[e.Cluster][0]) {
					t.Fatalf("seed %d: %s: got %+v, want %+v", seed, w.fates[e.Cluster], got[e.Cluster], want)
				}
			}
		}
	}
}

// toldConditions gives endpoints such conditions as come back from slices that are demoted.
func toldConditions(r *rand.Rand, e *federation.Export) {
	for i := range e.Subsets {
		for j := range e.Subsets[i].Endpoints {
			e.Subsets[i].Endpoints[j].Conditions = pick(r, federation.Ready|federation.Serving, 0, federation.Serving, federation.Terminating)
		}
	}
}

// TestRecallTakesNothingForReadyThatIsNot: whatever conditions an endpoint has, recalled from a demoted slice it is
// ready just when it was.
func TestRecallTakesNothingForReadyThatIsNot(t *testing.T) {
	for said := range federation.Conditions(8) {
		out := endpoint(standing{fate: federation.Demoted}.write(federation.Endpoint{Conditions: said}), false).Conditions
		if *out.Ready {
			t.Errorf("%03b: ready, though demoted", said)
		}
		if got := recallConditions(out, true); got.Has(federation.Ready) != said.Has(federation.Ready) {
			t.Errorf("%03b is recalled as %03b", said, got)
		}
		if got := recallConditions(endpoint(standing{}.write(federation.Endpoint{Conditions: said}), false).Conditions, false); got != said {
			t.Errorf("%03b, not demoted, is recalled as %03b", said, got)
		}
	}
}

// TestUrgencyPutsTheLossOfClustersAhead: a cluster that is demoted has clients that should go elsewhere.
func TestUrgencyPutsTheLossOfClustersAhead(t *testing.T) {
	of := func(fates ...federation.Fate) *importer.Service {
		s := merged(t, twoClusters)
		s.Fates = fates
		return s
	}
	const served, demoted, withdrawn = federation.Served, federation.Demoted, federation.Withdrawn
	for _, c := range []struct {
		what     string
		old, new *importer.Service
		want     int
	}{
		{"one is demoted", of(), of(served, demoted), urgent},
		{"one is withdrawn at once", of(), of(served, withdrawn), urgent},
		{"one that was demoted is withdrawn", of(served, demoted), of(served, withdrawn), usual},
		{"one is back", of(served, demoted), of(), usual},
		{"the first is back", of(withdrawn, withdrawn), of(withdrawn, served), urgent},
	} {
		if got := urgency(importer.Change{Name: web, Old: c.old, New: c.new}); got != c.want {
			t.Errorf("%s: urgency %d, want %d", c.what, got, c.want)
		}
	}
}

const twoClusters = `
- cluster: a
  ports: [http 80/TCP]
  subsets:
  - ports: [http 8080/TCP]
    endpoints: [10.1.0.1]
- cluster: b
  ports: [http 80/TCP]
  subsets:
  - ports: [http 8080/TCP]
    endpoints: [10.2.0.1]
`

// TestASilentClusterThroughTheWholeDoor: as a cluster falls silent and is back, its own slice and the status are
// written, each once, and the address stays.
func TestASilentClusterThroughTheWholeDoor(t *testing.T) {
	rule.Covers(t, "S10", "I6", "I7", "#41")
	onRig(t, func(r *rig) {
		r.export(twoClusters)
		pass := func(seconds int, heard ...federation.ClusterID) {
			for range seconds {
				time.Sleep(time.Second)
				for _, c := range heard {
					r.store.Heard(c, time.Now())
				}
			}
			synctest.Wait()
		}
		pass(1, "a", "b")
		r.rounds(3, false)
		address := r.current().Derived.Spec.ClusterIP
		slice := "EndpointSlice " + DerivedName(web) + "-b-ipv4-0"
		for _, step := range []struct {
			seconds  int
			heard    []federation.ClusterID
			writes   []string
			clusters int
		}{
			{29, []federation.ClusterID{"a"}, nil, 2},
			{1, []federation.ClusterID{"a"}, []string{"apply " + slice}, 2},
			{569, []federation.ClusterID{"a"}, nil, 2},
			{1, []federation.ClusterID{"a"}, []string{"apply " + slice, "patch status ServiceImport web"}, 1},
			{1, []federation.ClusterID{"a", "b"}, []string{"apply " + slice, "apply status ServiceImport web"}, 2},
		} {
			pass(step.seconds, step.heard...)
			if got := r.rounds(3, false); !slices.Equal(got, step.writes) {
				t.Errorf("after another %d s: written is %q, want %q", step.seconds, got, step.writes)
			}
			now := r.current()
			if now.Derived.Spec.ClusterIP != address || !slices.Equal(now.Import.Spec.IPs, []string{address}) || len(now.Import.Status.Clusters) != step.clusters {
				t.Errorf("after another %d s: address %s in %v, was %s; clusters %v", step.seconds, now.Derived.Spec.ClusterIP, now.Import.Spec.IPs, address, now.Import.Status.Clusters)
			}
		}
	})
}
