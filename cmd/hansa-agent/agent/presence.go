package agent

import (
	"context"
	"sync"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/election"
	"github.com/hansa-mcs/hansa/federation/stream"
)

// presence is what this agent is to the clusterset: what it is to its cluster, and nothing while that is outside.
type presence struct {
	mu      sync.Mutex
	is      stream.Standing
	changed chan struct{} // closes when is does
}

func newPresence() *presence { return &presence{changed: make(chan struct{})} }

func (p *presence) now() (stream.Standing, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is, p.changed
}

func (p *presence) set(is stream.Standing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if is == p.is {
		return
	}
	p.is = is
	close(p.changed)
	p.changed = make(chan struct{})
}

// present keeps the presence true until ctx ends. In each turn one of two things happens: another agent leads, or this
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
