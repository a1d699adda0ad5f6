package federation

import (
	"maps"
	"slices"
)

// Head returns how much is held of a cluster.
func (s *Store) Head(cluster ClusterID) Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.head()
	}
	return Head{}
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

// Since returns what somebody lacks of a cluster who has that much of it; nil when he lacks nothing, has something
// newer, or nothing is known here. If that cannot be told by versions alone, ask is true: with the hashes of what
// he has, Against tells.
func (s *Store) Since(cluster ClusterID, has Head) (u *Update, ask bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil || o.version.IsZero() || has.Version.Compare(o.version) > 0 || has.Version == o.version && has.Digest == o.digest {
		return nil, false
	}
	if has.Version != o.version && has.Version.Term == o.version.Term {
		if list, reaches := o.changes.since(has.Version.Seq); reaches {
			return o.increment(has.Version, list), false
		}
	}
	if has.Records > 0 && has.Digest != o.digest {
		return nil, true
	}
	if has.Records > 0 { // the same set at another version
		return &Update{Owner: o.id, To: o.version, Digest: o.digest}, false
	}
	return o.against(nil), false
}

// increment returns the changes after a version as an update.
func (o *owner) increment(from Version, list []change) *Update {
	u := &Update{Owner: o.id, From: from, To: o.version, Digest: o.digest}
	for _, c := range list {
		if !c.at.IsZero() && (u.At.IsZero() || c.at.Before(u.At)) {
			u.At = c.at
		}
		h, known := o.records[c.name]
		switch {
		case !known:
			u.Withdrawn = append(u.Withdrawn, c.name)
		case h.unread:
			u.Unread = append(u.Unread, Unread{c.name, h.hash, h.export})
		default:
			r, keys := Record{h.export, h.hash}, distinct(c.touched)
			if c.whole || len(keys) >= r.endpoints() {
				u.Put = append(u.Put, r)
			} else {
				u.Patched = append(u.Patched, patch(c.base, r, keys))
			}
		}
	}
	return u
}

// Against returns what somebody lacks of a cluster who holds records with these hashes of it; nil when nothing is
// known here.
func (s *Store) Against(cluster ClusterID, hashes []Hash) *Update {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil || o.version.IsZero() {
		return nil
	}
	return o.against(hashes)
}

func (o *owner) against(hashes []Hash) *Update {
	there := make(map[Hash]bool, len(hashes))
	for _, h := range hashes {
		there[h] = true
	}
	u := &Update{Owner: o.id, To: o.version, Digest: o.digest}
	for name, h := range o.records {
		switch {
		case there[h.hash]:
			delete(there, h.hash)
		case h.unread:
			u.Unread = append(u.Unread, Unread{name, h.hash, h.export})
		default:
			u.Put = append(u.Put, Record{h.export, h.hash})
		}
	}
	slices.SortFunc(u.Put, func(a, b Record) int { return a.Name.Compare(b.Name) })
	u.Stale = slices.Sorted(maps.Keys(there))
	return u
}
