package agent

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/federation"
)

// A cluster that has left shows that, and nothing of those that it forgot.
func TestAClusterThatHasLeftShowsNoOther(t *testing.T) {
	shown := scrape(t, &collector{func() *reading {
		return &reading{
			now: noon, self: "own", outside: true, leads: true, standing: election.Standing{Leading: true, Leader: election.Identity{Name: "us"}},
			owners: []federation.Owner{{Cluster: "own", Version: seq(5), Left: true}, {Cluster: "west", Left: true}},
		}
	}})
	for _, line := range []string{"hansa_clusterset_left 1\n", `hansa_cluster_exports{cluster="own"} 0` + "\n"} {
		if !strings.Contains(shown, line) {
			t.Errorf("no %q", line)
		}
	}
	if strings.Contains(shown, `"west"`) {
		t.Errorf("of west is shown\n%s", shown)
	}
}

func TestLag(t *testing.T) {
	v := func(term, seq uint64) federation.Version { return federation.Version{Term: term, Seq: seq} }
	for _, test := range []struct {
		held, latest federation.Version
		want         float64
	}{
		{v(0, 0), v(0, 0), 0},
		{v(2, 5), v(2, 5), 0},
		{v(2, 5), v(2, 9), 4},
		{v(2, 5), v(2, 3), 0}, // older gossip
		{v(2, 5), v(1, 9), 0}, // of a term that is over
		{v(2, 5), v(3, 2), 2},
		{v(2, 5), v(3, 0), 1},
		{v(0, 0), v(3, 7), 7},
	} {
		if got := lag(test.held, test.latest); got != test.want {
			t.Errorf("%s held of %s: %v behind, want %v", test.held, test.latest, got, test.want)
		}
	}
}
