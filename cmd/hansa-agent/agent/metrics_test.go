package agent

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/importer"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// seq returns a version of the first term.
func seq(n uint64) federation.Version { return federation.Version{Term: 1, Seq: n} }

// leader is what the leader of own knows: east is heard, west was, north is remembered, of south
// others have told, and past has left.
func leader() *reading {
	east := stream.Up{
		Peer: "east", Role: stream.Peer, Theirs: map[federation.ClusterID]federation.Head{"east": {Version: seq(9)}}, Acked: federation.Head{Version: seq(3)},
	}
	replica := stream.Up{Peer: "own", Role: stream.Standby}
	return &reading{
		now: noon, self: "own", leads: true, revision: 12, autoMade: new(4),
		gates:    features.Set{features.Host: {Gate: features.Host, On: true}, features.AutoExport: {Gate: features.AutoExport}},
		standing: election.Standing{Leading: true, Stint: 2, Leader: election.Identity{Name: "us"}},
		owners: []federation.Owner{
			{Cluster: "east", Version: seq(7), Heard: noon.Add(-time.Second), Exports: 5, Endpoints: 50},
			{Cluster: "north", Exports: 1, Endpoints: 1, Restored: true},
			{Cluster: "own", Version: seq(5), Exports: 2, Endpoints: 20},
			{Cluster: "past", Version: seq(9), Heard: noon.Add(-time.Hour), Left: true},
			{Cluster: "west", Version: seq(4), Heard: noon.Add(-2 * time.Second)},
		},
		fates:    map[federation.ClusterID]federation.Fate{"north": federation.Demoted, "south": federation.Withdrawn},
		unsteady: map[federation.ClusterID]bool{"west": true},
		held:     []importer.Held{{Cluster: "east", Until: noon.Add(time.Second)}},
		streams:  []stream.Up{east, replica, replica},
		totals: map[federation.ClusterID]stream.Stats{
			"east": {
				Streams:  3,
				Sent:     stream.Traffic{Frames: 7, Bytes: 700},
				Received: stream.Traffic{Frames: 8, Bytes: 800, Records: 4, Patches: 3, Withdrawals: 2},
				Refused:  stream.Refused{Limit: 1, Invalid: 2},
			},
			"own": {Streams: 2, Sent: stream.Traffic{Frames: 10, Bytes: 100}},
		},
		gossip:    &gossiped{seen: gossip.Heads{"east": seq(8), "own": seq(5), "past": seq(10), "south": seq(6), "west": seq(4)}, members: 2, dropped: 1},
		port:      trust.PortStats{Accepted: 6, Refused: 2},
		joins:     enroll.Stats{Joined: 3, Renewed: 4, Silent: 5, Refused: map[enroll.Code]uint64{enroll.Unknown: 6, enroll.NoCA: 0}},
		conflicts: map[string]bool{"clusterset.k8s.io": true},
		blocked:   map[string]int{"refused": 3},
		xds:       &xdsNumbers{delta: 3, sotw: 2, responses: 9, nacks: 1, slow: 4, turned: 6, quarantined: 5},
	}
}

func TestTheLeaderShowsItsClusters(t *testing.T) {
	expectLines(t, leader(), `
hansa_auto_exports 4
hansa_cluster_alive{cluster="east"} 1
hansa_cluster_alive{cluster="north"} 0
hansa_cluster_alive{cluster="south"} 0
hansa_cluster_alive{cluster="west"} 0
hansa_cluster_endpoints{cluster="east"} 50
hansa_cluster_endpoints{cluster="north"} 1
hansa_cluster_endpoints{cluster="own"} 20
hansa_cluster_endpoints{cluster="west"} 0
hansa_cluster_exports{cluster="east"} 5
hansa_cluster_exports{cluster="north"} 1
hansa_cluster_exports{cluster="own"} 2
hansa_cluster_exports{cluster="west"} 0
hansa_cluster_fate{cluster="east",fate="demoted"} 0
hansa_cluster_fate{cluster="east",fate="served"} 1
hansa_cluster_fate{cluster="east",fate="withdrawn"} 0
hansa_cluster_fate{cluster="north",fate="demoted"} 1
hansa_cluster_fate{cluster="north",fate="served"} 0
hansa_cluster_fate{cluster="north",fate="withdrawn"} 0
hansa_cluster_fate{cluster="south",fate="demoted"} 0
hansa_cluster_fate{cluster="south",fate="served"} 0
hansa_cluster_fate{cluster="south",fate="withdrawn"} 1
hansa_cluster_fate{cluster="west",fate="demoted"} 0
hansa_cluster_fate{cluster="west",fate="served"} 1
hansa_cluster_fate{cluster="west",fate="withdrawn"} 0
hansa_cluster_last_heard_timestamp_seconds{cluster="east"} 1.767268799e+09
hansa_cluster_last_heard_timestamp_seconds{cluster="west"} 1.767268798e+09
hansa_cluster_property_conflict{property="clusterset.k8s.io"} 1
hansa_cluster_received_bytes_total{cluster="east"} 800
hansa_cluster_received_bytes_total{cluster="own"} 0
hansa_cluster_received_frames_total{cluster="east"} 8
hansa_cluster_received_frames_total{cluster="own"} 0
hansa_cluster_received_patches_total{cluster="east"} 3
hansa_cluster_received_patches_total{cluster="own"} 0
hansa_cluster_received_records_total{cluster="east"} 4
hansa_cluster_received_records_total{cluster="own"} 0
hansa_cluster_received_withdrawals_total{cluster="east"} 2
hansa_cluster_received_withdrawals_total{cluster="own"} 0
hansa_cluster_refused_records_total{cluster="east",reason="foreign"} 0
hansa_cluster_refused_records_total{cluster="east",reason="invalid"} 2
hansa_cluster_refused_records_total{cluster="east",reason="limit"} 1
hansa_cluster_refused_records_total{cluster="east",reason="term"} 0
hansa_cluster_refused_records_total{cluster="own",reason="foreign"} 0
hansa_cluster_refused_records_total{cluster="own",reason="invalid"} 0
hansa_cluster_refused_records_total{cluster="own",reason="limit"} 0
hansa_cluster_refused_records_total{cluster="own",reason="term"} 0
hansa_cluster_restored{cluster="east"} 0
hansa_cluster_restored{cluster="north"} 1
hansa_cluster_restored{cluster="south"} 0
hansa_cluster_restored{cluster="west"} 0
hansa_cluster_sent_bytes_total{cluster="east"} 700
hansa_cluster_sent_bytes_total{cluster="own"} 100
hansa_cluster_sent_frames_total{cluster="east"} 7
hansa_cluster_sent_frames_total{cluster="own"} 10
hansa_cluster_stream_up{cluster="east"} 1
hansa_cluster_stream_up{cluster="north"} 0
hansa_cluster_stream_up{cluster="south"} 0
hansa_cluster_stream_up{cluster="west"} 0
hansa_cluster_streams_total{cluster="east"} 3
hansa_cluster_streams_total{cluster="own"} 2
hansa_cluster_unacked_versions{cluster="east"} 2
hansa_cluster_unsteady{cluster="east"} 0
hansa_cluster_unsteady{cluster="north"} 0
hansa_cluster_unsteady{cluster="south"} 0
hansa_cluster_unsteady{cluster="west"} 1
hansa_cluster_versions_behind{cluster="east"} 2
hansa_cluster_versions_behind{cluster="south"} 6
hansa_cluster_versions_behind{cluster="west"} 0
hansa_cluster_withdrawal_held{cluster="east"} 1
hansa_cluster_withdrawal_held{cluster="north"} 0
hansa_cluster_withdrawal_held{cluster="south"} 0
hansa_cluster_withdrawal_held{cluster="west"} 0
hansa_clusterset_left 0
hansa_feature_enabled{name="MCSAutoExport"} 0
hansa_feature_enabled{name="MCSHost"} 1
hansa_federation_connections_accepted_total 6
hansa_federation_connections_leaderless_total 0
hansa_federation_connections_passed_total 0
hansa_federation_connections_passing 0
hansa_federation_connections_refused_total 2
hansa_frozen 0
hansa_gossip_packets_dropped_total 1
hansa_join_requests_total{result="joined"} 3
hansa_join_requests_total{result="no-ca"} 0
hansa_join_requests_total{result="renewed"} 4
hansa_join_requests_total{result="silent"} 5
hansa_join_requests_total{result="unknown"} 6
hansa_leader_known 1
hansa_leading 1
hansa_leading_stints_total 2
hansa_leading_suspended 0
hansa_members 2
hansa_services_blocked{reason="refused"} 3
hansa_standbys 2
hansa_view_revision 12
hansa_xds_quarantined_resources 5
hansa_xds_refusals_total 1
hansa_xds_responses_total 9
hansa_xds_slow_clients_total 4
hansa_xds_streams{variant="delta"} 3
hansa_xds_streams{variant="sotw"} 2
hansa_xds_turned_away_total 6
`)
}

// A standby hears of the other clusters by its leader alone, and says nothing of what only a leader has.
func TestAStandbyShowsWhatItsLeaderTells(t *testing.T) {
	expectLines(t, &reading{
		now: noon, self: "own", revision: 3,
		standing: election.Standing{Leader: election.Identity{Name: "other"}},
		owners: []federation.Owner{
			{Cluster: "east", Version: seq(7), Heard: noon.Add(-2 * time.Second), Exports: 5, Endpoints: 50},
			{Cluster: "own", Version: seq(5), Heard: noon, Exports: 2, Endpoints: 20},
			{Cluster: "west", Version: seq(4), Heard: noon.Add(-3 * time.Second), Exports: 1, Endpoints: 10},
		},
		streams: []stream.Up{{
			Peer: "own", Role: stream.Leader, Theirs: map[federation.ClusterID]federation.Head{"own": {Version: seq(6)}, "east": {Version: seq(9)}},
		}},
		totals: map[federation.ClusterID]stream.Stats{"own": {Streams: 1, Received: stream.Traffic{Frames: 1, Bytes: 10}}},
		port:   trust.PortStats{Passed: 4, Passing: 1, Leaderless: 2},
	}, `
hansa_cluster_alive{cluster="east"} 1
hansa_cluster_alive{cluster="west"} 0
hansa_cluster_endpoints{cluster="east"} 50
hansa_cluster_endpoints{cluster="own"} 20
hansa_cluster_endpoints{cluster="west"} 10
hansa_cluster_exports{cluster="east"} 5
hansa_cluster_exports{cluster="own"} 2
hansa_cluster_exports{cluster="west"} 1
hansa_cluster_fate{cluster="east",fate="demoted"} 0
hansa_cluster_fate{cluster="east",fate="served"} 1
hansa_cluster_fate{cluster="east",fate="withdrawn"} 0
hansa_cluster_fate{cluster="west",fate="demoted"} 0
hansa_cluster_fate{cluster="west",fate="served"} 1
hansa_cluster_fate{cluster="west",fate="withdrawn"} 0
hansa_cluster_last_heard_timestamp_seconds{cluster="east"} 1.767268798e+09
hansa_cluster_last_heard_timestamp_seconds{cluster="west"} 1.767268797e+09
hansa_cluster_received_bytes_total{cluster="own"} 10
hansa_cluster_received_frames_total{cluster="own"} 1
hansa_cluster_received_patches_total{cluster="own"} 0
hansa_cluster_received_records_total{cluster="own"} 0
hansa_cluster_received_withdrawals_total{cluster="own"} 0
hansa_cluster_refused_records_total{cluster="own",reason="foreign"} 0
hansa_cluster_refused_records_total{cluster="own",reason="invalid"} 0
hansa_cluster_refused_records_total{cluster="own",reason="limit"} 0
hansa_cluster_refused_records_total{cluster="own",reason="term"} 0
hansa_cluster_restored{cluster="east"} 0
hansa_cluster_restored{cluster="west"} 0
hansa_cluster_sent_bytes_total{cluster="own"} 0
hansa_cluster_sent_frames_total{cluster="own"} 0
hansa_cluster_streams_total{cluster="own"} 1
hansa_cluster_unsteady{cluster="east"} 0
hansa_cluster_unsteady{cluster="west"} 0
hansa_cluster_versions_behind{cluster="east"} 2
hansa_cluster_versions_behind{cluster="own"} 1
hansa_cluster_withdrawal_held{cluster="east"} 0
hansa_cluster_withdrawal_held{cluster="west"} 0
hansa_clusterset_left 0
hansa_federation_connections_accepted_total 0
hansa_federation_connections_leaderless_total 2
hansa_federation_connections_passed_total 4
hansa_federation_connections_passing 1
hansa_federation_connections_refused_total 0
hansa_frozen 0
hansa_join_requests_total{result="joined"} 0
hansa_join_requests_total{result="renewed"} 0
hansa_join_requests_total{result="silent"} 0
hansa_leader_known 1
hansa_leader_stream_up 1
hansa_leading 0
hansa_leading_stints_total 0
hansa_leading_suspended 0
hansa_view_revision 3
`)
}

// What is shown is what is listed, neither more nor less, and as Prometheus wants it.
func TestMetricsAreListedAndWellFormed(t *testing.T) {
	ages := newChangeSeconds()
	ages.WithLabelValues("east").Observe(1)
	questions := newDNSNumbers()
	questions.served(asked)
	shown := scrape(t, append(questions.collectors(), &collector{leader}, newLatency(importer.New(federation.NewStore("own"), importer.Config{Patience: federation.DefaultPatience})), ages)...)
	standby := scrape(t, &collector{func() *reading {
		r := leader()
		r.leads = false
		return r
	}})
	for _, s := range sections {
		for _, m := range s.metrics {
			if !strings.Contains(shown+standby, "# HELP "+m.name+" "+m.help+"\n# TYPE "+m.name+" "+m.kind+"\n") {
				t.Errorf("%s is listed and not shown, or by another name, kind or help", m.name)
			}
			for _, text := range []string{m.help, m.watch} {
				if strings.ContainsAny(text, "|\n") {
					t.Errorf("%s: %q does not fit into a table", m.name, text)
				}
			}
		}
	}
	problems, err := promlint.New(strings.NewReader(shown)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// An agent that has not reached anybody, its own API server included, shows that.
func TestAnAgentShowsMetricsFromTheStart(t *testing.T) {
	o, _ := valid(t)
	m, err := newMember(t.Context(), o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := m.unbind(t.Context()); err != nil {
			t.Error(err)
		}
		m.http.listener.Close()
	}()
	shown := scrapeAll(t, m.metrics())
	for _, line := range []string{"hansa_leading 0", "hansa_leader_known 0", "hansa_view_revision 0", "hansa_change_to_view_seconds_count 0", `hansa_join_requests_total{result="unknown"} 0`, `hansa_services_blocked{reason="refused"} 0`, `hansa_services_blocked{reason="policy"} 0`} {
		if !strings.Contains(shown, line+"\n") {
			t.Errorf("no %q", line)
		}
	}
	if strings.Contains(shown, "hansa_dns_") {
		t.Error("it counts what is asked by DNS, which it does not answer")
	}
}

// Each View adds to the histogram how long its oldest change took.
func TestChangesToViewAreMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := federation.NewStore("own")
		i := importer.New(store, importer.Config{Patience: federation.DefaultPatience})
		h := newLatency(i)
		i.SetNamespace("shop", true)
		store.Announce(1, []*federation.Export{{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "web"}, Type: federation.Headless}})
		time.Sleep(40 * time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- i.Start(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		families, err := gatherer(t, h).Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := families[0].GetMetric()[0].GetHistogram()
		if got.GetSampleCount() != 1 || got.GetSampleSum() != 0.04 {
			t.Errorf("measured %d Views of %v s in all, want one of 0.04", got.GetSampleCount(), got.GetSampleSum())
		}
	})
}

// expectLines checks all that a reading shows.
func expectLines(t *testing.T, r *reading, want string) {
	t.Helper()
	got := map[string]bool{}
	for line := range strings.Lines(scrape(t, &collector{func() *reading { return r }})) {
		if !strings.HasPrefix(line, "#") {
			got[line] = true
		}
	}
	for line := range strings.Lines(strings.TrimPrefix(want, "\n")) {
		if !got[line] {
			t.Errorf("not shown: %s", line)
		}
		delete(got, line)
	}
	for line := range got {
		t.Errorf("not expected: %s", line)
	}
}

// gatherer gathers from collectors, which may only show what they describe.
func gatherer(t *testing.T, list ...prometheus.Collector) prometheus.Gatherer {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range list {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// scrape returns what collectors show to who asks by HTTP.
func scrape(t *testing.T, list ...prometheus.Collector) string {
	t.Helper()
	return scrapeAll(t, gatherer(t, list...))
}

func scrapeAll(t *testing.T, g prometheus.Gatherer) string {
	t.Helper()
	server, err := newHTTPServer("127.0.0.1:0", g, func() error { return nil }, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Start(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	response, err := http.Get("http://" + server.listener.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s (%v): %s", response.Status, err, text)
	}
	return string(text)
}
