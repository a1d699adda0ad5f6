package report

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
	"github.com/hansa-mcs/hansa/importer"
)

// Scene is what an agent knows at one time. Nobody may change what it refers to, but the Store: an answer has of that
// what it holds while the answer is made.
type Scene struct {
	Now        time.Time
	Clusterset string
	Agent      Agent
	// Gates are all that there are, in the order in which people are told of them, and Faults what is wrong with what was
	// said of them.
	Gates  []Gate
	Faults []string
	// Underway is what was asked by a switch and is not so yet, in a sentence; "" for nothing.
	Underway string
	// Frozen is since when what is imported stays as it is, as a person asked; nil while it does not.
	Frozen *time.Time
	// Drains are the clusters that a person of this one asked to drain, itself included.
	Drains     map[federation.ClusterID]federation.Drain
	AutoExport AutoExport

	Store *federation.Store
	View  *importer.View
	// Here reports whether a namespace exists in this cluster; nil while that is not known.
	Here func(namespace string) bool
	// Blocked says what keeps a service from being imported wholly, "" for nothing; nil while that is not known.
	Blocked func(federation.ServiceName) string

	Patience       federation.Patience   // of services of which their owners say nothing else
	Import, Export federation.Namespaces // policies
	Held           []importer.Held

	// Seeds are host:port of members to begin with.
	Seeds    []string
	Streams  []stream.Up
	Totals   map[federation.ClusterID]stream.Stats
	Failures map[federation.ClusterID]stream.Failures
	Gossip   *Gossip // nil while this agent takes no part
	// Remembered is what hansa-state says of clusters, from before this agent started.
	Remembered map[federation.ClusterID]Remembered

	// XDS is what serves xDS here; nil without --xds-address.
	XDS Discovery
}

// Agent is the agent that answers.
type Agent struct {
	Name  string `json:"name"`
	Build string `json:"build"`
	// Leads means that it speaks for its cluster. A standby knows nothing of streams with other clusters: ask the Leader.
	Leads bool `json:"leads"`
	// Suspended means that it leads and may write nothing, as it could not renew its Lease.
	Suspended bool    `json:"suspended"`
	Leader    *Leader `json:"leader"` // null while none is known
	// Waiting is what the agent waits for before it serves anything, "" for nothing.
	Waiting string `json:"waiting"`
	// Certificate is what others know it by; null while that is not told.
	Certificate *Certificate `json:"certificate"`
	// Departure is "leaving" or "left" for a cluster that is about to be out of the clusterset, or is; else "".
	Departure string `json:"departure"`
}

// Left is the Departure of a cluster that is out of the clusterset.
const Left = "left"

// Leader is the agent that speaks for the cluster.
type Leader struct {
	Name    string    `json:"name"`
	Address string    `json:"address"` // where the other agents of the cluster connect
	Since   time.Time `json:"since,omitzero"`
}

// Certificate is the one that a member shows to others.
type Certificate struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Fault is why another one is not used or not there, though it should be; "" for nothing.
	Fault string `json:"fault"`
}

// Gossip is what the leaders of the other clusters tell one another.
type Gossip struct {
	// Addresses are where the clusters are that somebody hears.
	Addresses map[federation.ClusterID]string
	// Seen are the greatest versions that anybody reported.
	Seen map[federation.ClusterID]federation.Version
}

// Remembered is what is known of a cluster from before.
type Remembered struct {
	Address string
	Heard   time.Time // about
}

// self is the cluster of the agent.
func (s *Scene) self() federation.ClusterID { return s.Store.Self() }

// left reports whether this cluster is out of the clusterset: what is held of others then says nothing of them.
func (s *Scene) left() bool { return s.Agent.Departure == Left }

// owners returns each cluster that is known, this one included, by cluster ID. Of those of which others tell nothing may
// be held.
func (s *Scene) owners() []federation.Owner {
	all := map[federation.ClusterID]federation.Owner{s.self(): {Cluster: s.self()}}
	if s.Gossip != nil && !s.left() {
		for id := range s.Gossip.Addresses {
			all[id] = federation.Owner{Cluster: id}
		}
		for id := range s.Gossip.Seen {
			all[id] = federation.Owner{Cluster: id}
		}
	}
	for _, o := range s.Store.Owners() {
		if !s.left() || o.Cluster == s.self() {
			all[o.Cluster] = o
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b federation.Owner) int { return cmp.Compare(a.Cluster, b.Cluster) })
}

// stream returns the newest stream to another cluster, or to our own leader; nil if there is none.
func (s *Scene) stream(to federation.ClusterID) (newest *stream.Up) {
	for i, up := range s.Streams {
		if up.Peer == to && up.Role != stream.Standby && (newest == nil || !up.Since.Before(newest.Since)) {
			newest = &s.Streams[i]
		}
	}
	return newest
}

// held returns what is held back of a cluster's withdrawals, nil for nothing.
func (s *Scene) held(cluster federation.ClusterID) *importer.Held {
	for i := range s.Held {
		if s.Held[i].Cluster == cluster {
			return &s.Held[i]
		}
	}
	return nil
}

// latest returns the greatest version of a cluster that it, our leader or anybody else tells of; zero if nobody does.
func (s *Scene) latest(cluster federation.ClusterID) (latest federation.Version) {
	for _, to := range []federation.ClusterID{cluster, s.self()} {
		if up := s.stream(to); up != nil {
			latest = up.Theirs[cluster].Version
			break
		}
	}
	if s.Gossip != nil && s.Gossip.Seen[cluster].Compare(latest) > 0 {
		latest = s.Gossip.Seen[cluster]
	}
	return latest
}

// Lag returns how many changes what is held is behind the latest: at least one when that is of another term.
func Lag(held, latest federation.Version) uint64 {
	switch {
	case latest.Compare(held) <= 0:
		return 0
	case latest.Term == held.Term:
		return latest.Seq - held.Seq
	}
	return max(1, latest.Seq)
}
