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
	// patientFor is how long a cluster that takes all back waits for the others to confirm it. Those that cannot be reached
	// by then treat it as one that fell silent.
	patientFor = 10 * time.Second
	// confirmed is how often it is looked, while that lasts, who has: a stream tells nobody of what it was told.
	confirmed = 50 * time.Millisecond
	// departurePause is how long to wait after it could not be written down.
	departurePause = time.Second
)

// farewell is how a cluster takes back all that it exports: it says so, waits until the others know, and writes that down.
type farewell struct {
	is   func(course) state.Departure
	said func() bool                                   // whether the others are being told
	note func(ctx context.Context, at time.Time) error // zero for that it is over
	what string                                        // to log when it cannot be written down
}

// leaves is the farewell of who leaves the clusterset.
func (m *member) leaves() farewell {
	return farewell{
		is: func(c course) state.Departure { return c.leaving }, said: m.store.Left, note: m.keeper.SetLeft,
		what: "that this cluster has left, or is back, which it waits for",
	}
}

// withholds is the farewell of a member whose MCSServiceDiscovery is off.
func (m *member) withholds() farewell {
	return farewell{
		is: func(c course) state.Departure { return c.withholding }, said: m.store.Silent, note: m.keeper.SetWithdrawn,
		what: "that the others know of MCSServiceDiscovery being off, or that it is on, which what is imported waits for",
	}
}

// partWays does as the leader what is asked of one farewell, until ctx ends.
func (m *member) partWays(ctx context.Context, f farewell) error {
	for ctx.Err() == nil {
		lead, done, _, err := m.election.Lead(ctx)
		if err != nil {
			return nil
		}
		m.partWaysOnce(lead, f)
		done()
	}
	return nil
}

// partWaysOnce returns when there may be something else to do, or this agent may not write any more.
func (m *member) partWaysOnce(lead context.Context, f farewell) {
	c, changed := m.steering.course.now()
	is := f.is(c)
	var err error
	switch {
	case is.Phase() == state.Leaving:
		if m.sayFarewell(lead, f) {
			err = f.note(lead, time.Now())
		}
	case is.Left && !is.Asked:
		err = f.note(lead, time.Time{})
	}
	m.settleFor(lead, changed, err, f.what)
}

// sayFarewell waits until the other clusters have confirmed that this one takes all back, or for long enough. It reports
// false if that is not asked any more.
func (m *member) sayFarewell(lead context.Context, f farewell) bool {
	look := time.NewTicker(confirmed)
	defer look.Stop()
	var since time.Time // when it was said
	for {
		c, changed := m.steering.course.now()
		if f.is(c).Phase() != state.Leaving {
			return false
		}
		if f.said() {
			if since.IsZero() {
				since = time.Now()
			}
			silent := unconfirmed(m.store.Self(), m.store.Owners(), m.exchange.Streams())
			if len(silent) == 0 || time.Since(since) >= patientFor {
				m.departure.miss(silent)
				return true
			}
		}
		select {
		case <-look.C:
		case <-changed:
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
