package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/importer"
)

// reading is what this agent knows at one time.
type reading struct {
	now      time.Time
	self     federation.ClusterID
	standing election.Standing
	leads    bool // the Lease is this agent's, whether it may write or not

	revision  uint64
	outside   bool // this cluster has left
	gates     features.Set
	frozen    bool
	autoMade  *int // nil while it is not known
	owners    []federation.Owner
	fates     map[federation.ClusterID]federation.Fate
	unsteady  map[federation.ClusterID]bool
	held      []importer.Held
	streams   []stream.Up
	totals    map[federation.ClusterID]stream.Stats
	gossip    *gossiped // nil while this agent takes no part
	port      trust.PortStats
	joins     enroll.Stats
	conflicts map[string]bool // by property
	blocked   map[string]int  // by reason
	xds       *xdsNumbers     // nil without xDS
}

// gossiped is what gossip tells.
type gossiped struct {
	seen    gossip.Heads
	members int
	dropped uint64
}

// show sends all metrics of the reading. What this agent cannot know it does not show: no number is better than a
// comforting one. Of a cluster that has left there is nothing to know.
func (r *reading) show(ch chan<- prometheus.Metric) {
	r.showAgent(ch)
	known := map[federation.ClusterID]federation.Owner{}
	for _, o := range r.owners {
		known[o.Cluster] = o
		if r.gone(o) {
			continue
		}
		exports.send(ch, float64(o.Exports), string(o.Cluster))
		endpoints.send(ch, float64(o.Endpoints), string(o.Cluster))
	}
	if r.gossip != nil {
		for id := range r.gossip.seen {
			if _, held := known[id]; !held {
				known[id] = federation.Owner{Cluster: id} // others have seen it, and nothing of it is held here
			}
		}
	}
	for id, o := range known {
		if r.gone(o) {
			continue
		}
		if id != r.self {
			r.showCluster(ch, o)
		}
		r.showBehind(ch, o)
	}
	r.showStreams(ch, known[r.self].Version)
}

// gone reports whether another cluster has left.
func (r *reading) gone(o federation.Owner) bool { return o.Left && o.Cluster != r.self }

func (r *reading) showAgent(ch chan<- prometheus.Metric) {
	viewRevision.send(ch, float64(r.revision))
	outside.send(ch, bit(r.outside))
	for _, st := range r.gates.List() {
		featureEnabled.send(ch, bit(st.On), string(st.Gate))
	}
	frozen.send(ch, bit(r.frozen))
	if r.autoMade != nil {
		autoExports.send(ch, float64(*r.autoMade))
	}
	leading.send(ch, bit(r.leads))
	suspended.send(ch, bit(r.leads && !r.standing.Leading))
	stints.send(ch, float64(r.standing.Stint))
	leaderKnown.send(ch, bit(r.standing.Leader != election.Identity{}))
	if !r.leads {
		leaderStream.send(ch, bit(r.stream(r.self) != nil))
	}
	accepted.send(ch, float64(r.port.Accepted))
	refused.send(ch, float64(r.port.Refused))
	passed.send(ch, float64(r.port.Passed))
	passing.send(ch, float64(r.port.Passing))
	leaderless.send(ch, float64(r.port.Leaderless))
	r.showJoins(ch)
	if r.gossip != nil {
		members.send(ch, float64(r.gossip.members))
		dropped.send(ch, float64(r.gossip.dropped))
	}
	for property, contradicted := range r.conflicts {
		conflict.send(ch, bit(contradicted), property)
	}
	for reason, n := range r.blocked {
		blocked.send(ch, float64(n), reason)
	}
	if r.xds != nil {
		r.xds.show(ch)
	}
}

// showJoins tells what became of who asked for a certificate.
func (r *reading) showJoins(ch chan<- prometheus.Metric) {
	for result, n := range map[string]uint64{"joined": r.joins.Joined, "renewed": r.joins.Renewed, "silent": r.joins.Silent} {
		joinRequests.send(ch, float64(n), result)
	}
	for code, n := range r.joins.Refused {
		joinRequests.send(ch, float64(n), string(code))
	}
}

// showCluster tells whether another cluster can be heard, and what that means.
func (r *reading) showCluster(ch chan<- prometheus.Metric, o federation.Owner) {
	id := string(o.Cluster)
	up := r.stream(o.Cluster) != nil
	if r.leads {
		streamUp.send(ch, bit(up), id)
	}
	alive.send(ch, bit(r.now.Sub(o.Heard) < federation.Silence && (up || !r.leads)), id)
	for fate := federation.Served; fate <= federation.Withdrawn; fate++ {
		fates.send(ch, bit(r.fates[o.Cluster] == fate), id, fate.String())
	}
	unsteady.send(ch, bit(r.unsteady[o.Cluster]), id)
	held.send(ch, bit(heldOf(r.held, o.Cluster) != nil), id)
	restored.send(ch, bit(o.Restored), id)
	if !o.Heard.IsZero() {
		heard.send(ch, float64(o.Heard.UnixMilli())/1000, id)
	}
}

// showBehind tells how far we are behind a cluster, if somebody says how far it is.
func (r *reading) showBehind(ch chan<- prometheus.Metric, o federation.Owner) {
	var latest federation.Version
	if s := r.stream(o.Cluster); s != nil {
		latest = s.Theirs[o.Cluster].Version
	} else if s := r.stream(r.self); s != nil {
		latest = s.Theirs[o.Cluster].Version // our leader's
	}
	if r.gossip != nil && r.gossip.seen[o.Cluster].Compare(latest) > 0 {
		latest = r.gossip.seen[o.Cluster]
	}
	if ours := o.Cluster == r.self && r.leads; !ours && !latest.IsZero() {
		behind.send(ch, float64(report.Lag(o.Version, latest)), string(o.Cluster))
	}
}

// showStreams tells what goes over the streams, those of this cluster's agents with one another included.
func (r *reading) showStreams(ch chan<- prometheus.Metric, ours federation.Version) {
	replicas := 0
	for _, s := range r.streams {
		if s.Role == stream.Standby {
			replicas++
		}
	}
	if r.leads {
		standbys.send(ch, float64(replicas))
	}
	for id, t := range r.totals {
		if s := r.stream(id); s != nil && id != r.self {
			unacked.send(ch, float64(report.Lag(s.Acked.Version, ours)), string(id))
		}
		for m, n := range map[*metric]uint64{
			receivedBytes: t.Received.Bytes, receivedFrames: t.Received.Frames, sentBytes: t.Sent.Bytes, sentFrames: t.Sent.Frames,
			receivedRecords: t.Received.Records, receivedPatches: t.Received.Patches, receivedWithdrawals: t.Received.Withdrawals,
			streamsBegun: t.Streams,
		} {
			m.send(ch, float64(n), string(id))
		}
		for reason, n := range map[string]uint64{"limit": t.Refused.Limit, "invalid": t.Refused.Invalid, "term": t.Refused.Term, "foreign": t.Refused.Foreign} {
			refusedRecords.send(ch, float64(n), string(id), reason)
		}
	}
}

// stream returns the newest stream to another cluster, or to our own leader, nil if there is none.
func (r *reading) stream(to federation.ClusterID) (newest *stream.Up) {
	for i, s := range r.streams {
		if s.Peer == to && s.Role != stream.Standby {
			newest = &r.streams[i] // they are sorted by when they came up
		}
	}
	return newest
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
