package report

import (
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// Clusters answers /v1/clusters: every cluster that is known, with all that is known of it.
type Clusters struct {
	At       time.Time            `json:"at"`
	Cluster  federation.ClusterID `json:"cluster"` // whose agent answers
	Clusters []Cluster            `json:"clusters"`
}

// Cluster is a Peer, or this cluster itself, with what is seldom asked for.
type Cluster struct {
	Peer
	Self bool `json:"self"`
	// UID is that of its namespace kube-system, by which it is told from another of the same ID; "" while not known.
	UID string `json:"uid"`
	// Traffic is what went over the streams with it since this agent started; with this cluster's own agents, over those.
	Traffic Traffic `json:"traffic"`
}

// Traffic counts what went over streams.
type Traffic struct {
	Streams       uint64 `json:"streams"` // that came up where there was none
	SentBytes     uint64 `json:"sentBytes"`
	ReceivedBytes uint64 `json:"receivedBytes"`
	// Received are exports that came, whole or as what changed in them; Refused those that were not taken.
	Received uint64 `json:"received"`
	Refused  uint64 `json:"refused"`
}

// Clusters returns the answer to /v1/clusters.
func (s *Scene) Clusters() *Clusters {
	answer := &Clusters{At: utc(s.Now), Cluster: s.self(), Clusters: []Cluster{}}
	unread := s.Store.Unread()
	for _, o := range s.owners() {
		c := Cluster{Peer: s.peer(o, unread[o.Cluster]), Self: o.Cluster == s.self(), UID: o.UID, Traffic: traffic(s.Totals[o.Cluster])}
		if c.Self {
			c.Others, c.Stream = OthersUnknown, nil
			if s.Agent.Leads { // nobody knows better
				c.Latest, c.Behind = c.Version, new(uint64(0))
			}
		}
		answer.Clusters = append(answer.Clusters, c)
	}
	return answer
}

func traffic(t stream.Stats) Traffic {
	return Traffic{
		Streams: t.Streams, SentBytes: t.Sent.Bytes, ReceivedBytes: t.Received.Bytes,
		Received: t.Received.Records + t.Received.Patches,
		Refused:  t.Refused.Limit + t.Refused.Invalid + t.Refused.Term + t.Refused.Foreign,
	}
}
