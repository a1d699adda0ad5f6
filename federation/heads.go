package federation

// Head says how much is held of one owner.
type Head struct {
	Version Version // zero for what is only remembered
	Digest  Digest
	Records int
}

// Head returns how much is held of a cluster.
func (s *Store) Head(cluster ClusterID) Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.head()
	}
	return Head{}
}

// Rumour records that another agent of this cluster holds that version of a cluster, as from a time when it led.
func (s *Store) Rumour(cluster ClusterID, v Version) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(cluster); v.Compare(o.rumour) > 0 {
		o.rumour = v
	}
}

// Known returns the greatest version of a cluster that any agent of this one holds, as far as is known: the others
// take nothing older, so the cluster must go beyond it.
func (s *Store) Known(cluster ClusterID) Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	switch {
	case o == nil:
		return Version{}
	case o.rumour.Compare(o.version) > 0:
		return o.rumour
	}
	return o.version
}

// Readable returns what Head does, but for records that could not be read: told of it, whoever has them says them
// again, and they may be readable by now, or within the limits.
func (s *Store) Readable(cluster ClusterID) Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil {
		return Head{}
	}
	head := o.head()
	for _, h := range o.records {
		if h.unread {
			head.Digest -= Digest(h.hash)
		}
	}
	return head
}

// Room reports whether something that a cluster says was beyond a limit and may fit by now, once each time that there
// may be more room.
func (s *Store) Room(cluster ClusterID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owners[cluster]
	if o == nil || !o.room {
		return false
	}
	o.room = false
	return true
}

// Heads returns what Head does of each cluster of which a complete set came since the start.
func (s *Store) Heads() map[ClusterID]Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	heads := make(map[ClusterID]Head, len(s.owners))
	for id, o := range s.owners {
		if !o.version.IsZero() {
			heads[id] = o.head()
		}
	}
	return heads
}

// Hashes returns those of all records of a cluster that are held, but for what could not be read: asked for
// again, it may come in a form that can.
func (s *Store) Hashes(cluster ClusterID) []Hash {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil {
		return nil
	}
	list := make([]Hash, 0, len(o.records))
	for _, h := range o.records {
		if !h.unread {
			list = append(list, h.hash)
		}
	}
	return list
}
