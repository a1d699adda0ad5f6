package federation

import "slices"

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
