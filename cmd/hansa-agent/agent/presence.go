package agent

import (
	"context"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// present keeps what this agent is to the clusterset true until ctx ends: what it is to its cluster, and nothing while
// that is outside. In each turn one of two things happens: another agent leads, or this
// cluster leaves or comes back.
func (m *member) present(ctx context.Context) error {
	for ctx.Err() == nil {
		s := m.election.Now()
		left, turned := m.departure.left()
		m.presence.set(presenceOf(s, m.name, left))
		select {
		case <-s.Changed:
		case <-turned:
		case <-ctx.Done():
		}
	}
	return nil
}

// presenceOf returns what an agent of that name is. A leader that may not write for a while goes on being it: nobody
// else is.
func presenceOf(s election.Standing, name election.Identity, left bool) stream.Standing {
	switch {
	case left:
		return stream.Standing{}
	case s.Leader == name:
		return stream.Standing{Leads: true}
	}
	return stream.Standing{Leader: s.Leader.Address}
}
