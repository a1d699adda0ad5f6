package agent

import (
	"slices"
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

// Who holds the Lease and cannot renew it leads, and is told apart from who can.
func TestALeaderThatMayNotWriteSaysSo(t *testing.T) {
	r := leader()
	r.standing.Leading = false
	shown := scrape(t, &collector{func() *reading { return r }})
	for _, line := range []string{"hansa_leading 1\n", "hansa_leading_suspended 1\n", "hansa_leader_known 1\n"} {
		if !strings.Contains(shown, line) {
			t.Errorf("no %q", line)
		}
	}
}

// Of two streams to one cluster, as there are for a moment, the newer one says how far the cluster is; both count.
func TestTwoStreamsToOneClusterAreOne(t *testing.T) {
	r := leader()
	newer := r.streams[0]
	newer.Theirs, newer.Acked.Version = map[federation.ClusterID]federation.Head{"east": {Version: seq(20)}}, seq(5)
	r.streams = slices.Insert(r.streams, 1, newer)
	shown := scrape(t, &collector{func() *reading { return r }})
	for _, line := range []string{
		`hansa_cluster_versions_behind{cluster="east"} 13`, `hansa_cluster_unacked_versions{cluster="east"} 0`, `hansa_cluster_received_bytes_total{cluster="east"} 800`,
	} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("no %q", line)
		}
	}
}
