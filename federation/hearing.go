package federation

import (
	"slices"
	"time"
)

// Expect says that there is a cluster, of which nothing may be known yet.
func (s *Store) Expect(cluster ClusterID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner(cluster)
}

// Complete reports whether a complete set of every cluster that is known of came since the start.
func (s *Store) Complete() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, o := range s.owners {
		if o.version.IsZero() && !o.left {
			return false
		}
	}
	return true
}

// Heard records that a cluster was heard at t. What is not newer than known changes nothing.
func (s *Store) Heard(cluster ClusterID, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listen(t)
	o := s.owner(cluster)
	before := o.pulse
	o.pulse = before.Hear(t)
	if t.Sub(before.heard) >= Silence {
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
	if s.leading { // who follows hears through its leader alone
		s.listen(now)
	}
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

// KeepTime lets the Store take the time from clock, as a simulation does. It is called before anything else.
func (s *Store) KeepTime(clock func() time.Time) { s.clock = clock }

// Synced returns the clusters of which a complete set came since the start, by cluster ID. Nothing of
// the others may be concluded from what is not held of them.
func (s *Store) Synced() []ClusterID {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []ClusterID
	for id, o := range s.owners {
		if !o.version.IsZero() {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

// Peers returns how many other clusters were heard since the start and have not left.
func (s *Store) Peers() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for id, o := range s.owners {
		if id != s.self && !o.version.IsZero() && !o.left {
			n++
		}
	}
	return n
}

// Joined returns a channel that closes when Peers next grows. Take it before reading.
func (s *Store) Joined() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.joined.ch
}
