package agent

import (
	"context"
	"slices"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/state"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream"
)

const (
	// farewell is how long a cluster that leaves waits for the others to confirm it. Those that cannot be reached by
	// then treat it as one that fell silent.
	farewell = 10 * time.Second
	// confirmed is how often it is looked, while that lasts, who has: a stream tells nobody of what it was told.
	confirmed = 50 * time.Millisecond
	// departurePause is how long to wait after it could not be written down.
	departurePause = time.Second
)

// partWays does as the leader what the ConfigMap says of leaving, until ctx ends.
func (m *member) partWays(ctx context.Context) error {
	for ctx.Err() == nil {
		lead, done, _, err := m.election.Lead(ctx)
		if err != nil {
			return nil
		}
		m.partWaysOnce(lead)
		done()
	}
	return nil
}

// partWaysOnce returns when there may be something else to do, or this agent may not write any more.
func (m *member) partWaysOnce(lead context.Context) {
	is, changed := m.departure.now()
	var err error
	switch {
	case is.Phase() == state.Leaving:
		if m.sayFarewell(lead, changed) {
			err = m.keeper.SetLeft(lead, time.Now())
		}
	case is.Left && !is.Asked:
		err = m.keeper.SetLeft(lead, time.Time{})
	}
	var again <-chan time.Time
	if err != nil && lead.Err() == nil {
		m.log.Warn("cannot leave, or come back, before that is written down", "again_in", departurePause, "error", m.blameCluster(err))
		again = time.After(departurePause)
	}
	select {
	case <-changed:
	case <-again:
	case <-lead.Done():
	}
}

// sayFarewell waits until the other clusters have confirmed that this one leaves, or for long enough. It reports false
// if something changed before.
func (m *member) sayFarewell(lead context.Context, changed <-chan struct{}) bool {
	look := time.NewTicker(confirmed)
	defer look.Stop()
	var since time.Time // when it was said
	for {
		if m.store.Left() {
			if since.IsZero() {
				since = time.Now()
			}
			silent := unconfirmed(m.store.Self(), m.store.Owners(), m.exchange.Streams())
			if len(silent) == 0 || time.Since(since) >= farewell {
				m.departure.miss(silent)
				return true
			}
		}
		select {
		case <-look.C:
		case <-changed:
			return false
		case <-lead.Done():
			return false
		}
	}
}

// unconfirmed returns the clusters that are members and have not confirmed our last word on a stream.
func unconfirmed(self federation.ClusterID, owners []federation.Owner, streams []stream.Up) (silent []federation.ClusterID) {
	var last federation.Version
	for _, o := range owners {
		if o.Cluster == self {
			last = o.Version
		}
	}
	for _, o := range owners {
		has := func(up stream.Up) bool {
			return up.Peer == o.Cluster && up.Role == stream.Peer && up.Acked.Version.Compare(last) >= 0
		}
		if o.Cluster != self && !o.Left && !slices.ContainsFunc(streams, has) {
			silent = append(silent, o.Cluster)
		}
	}
	return silent
}

// keepAway holds nothing of anybody while this cluster is outside, until ctx ends.
func (m *member) keepAway(ctx context.Context) error {
	for outside := false; ctx.Err() == nil; {
		changed := m.store.Changed()
		left, turned := m.departure.left()
		switch {
		case left:
			m.store.Depart()
		case outside:
			m.store.Return()
		}
		if !left {
			changed = nil
		}
		if left != outside {
			m.tellDeparture(left)
		}
		outside = left
		select {
		case <-changed:
		case <-turned:
		case <-ctx.Done():
		}
	}
	return nil
}

func (m *member) tellDeparture(left bool) {
	if left {
		m.log.Info("this cluster has left the clusterset: it exports and imports nothing", "annotation", state.LeaveAnnotation, "configmap", m.options.Namespace+"/"+state.DefaultName, "unconfirmed_by", m.departure.missed())
	} else {
		m.log.Info("this cluster joins the clusterset again")
	}
}
