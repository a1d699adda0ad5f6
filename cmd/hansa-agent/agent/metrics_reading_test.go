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
