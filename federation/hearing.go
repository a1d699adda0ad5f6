package federation

import "time"

// Heard records that a cluster was heard at t. What is not newer than known changes nothing.
func (s *Store) Heard(cluster ClusterID, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen(t)
	o := s.owner(cluster)
	before := o.pulse
	o.pulse = before.Hear(t)
	if s.clock().Sub(before.heard) >= Silence { // it may have been judged silent, whatever t is
		s.revived.broadcast()
	}
}

// Pulse returns when a cluster was heard.
func (s *Store) Pulse(cluster ClusterID) Pulse {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.pulse
	}
	return Pulse{}
}

// Revived returns a channel that closes when a cluster is next heard after a silence, or for the first time. Take it
// before reading.
func (s *Store) Revived() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revived.ch
}

// Awake says that this agent runs. It is to be called each second: after a time without, in which the process was
// stopped, nobody is blamed for what could not be heard.
func (s *Store) Awake(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.direct {
		s.listen(now)
	}
}

// HearThroughLeader says that this agent hears the other clusters through its leader alone. Who has announced hears
// them itself, also while it may not write, until then.
func (s *Store) HearThroughLeader() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.direct = false
}

// HearingUntil returns the time up to which silence counts: now, or less for one who follows and whose leader is silent.
func (s *Store) HearingUntil(now time.Time) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if deafBlames || s.listened.IsZero() || now.Sub(s.listened) < Silence {
		return now
	}
	return s.listened
}

func (s *Store) excuse(deaf time.Duration, now time.Time) {
	for _, o := range s.owners {
		o.pulse = o.pulse.Excuse(deaf, now)
	}
	s.revived.broadcast()
}

// listen notes that this agent can hear at t. Who leads hears while it runs. Who follows a leader hears all through
// it: while it is silent, as before another takes over, nobody can be heard, and that is nobody's fault.
func (s *Store) listen(t time.Time) {
	if deaf := t.Sub(s.listened); !s.listened.IsZero() && deaf >= Silence {
		s.excuse(deaf, t)
	}
	if t.After(s.listened) {
		s.listened = t
	}
}
