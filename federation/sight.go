package federation

import (
	"maps"
	"slices"
	"sync"
)

// Sight is what one viewer may see of a Store: the agents of its own cluster all, and other clusters those of its own
// cluster's records whose Consumers name them and that policy admits. What it may not see is in nothing that a Sight returns: no name,
// no hash, no part of a digest.
type Sight struct {
	store  *Store
	viewer ClusterID
}

// Withhold lets other clusters see of this one's records only what the policy admits. It is called before the first
// record is held.
func (s *Store) Withhold(policy Namespaces) { s.policy = policy }

// SeenBy returns what a cluster may see, now and later.
func (s *Store) SeenBy(viewer ClusterID) Sight { return Sight{s, viewer} }

// audience returns who may see a record, nil for everybody. Of one that could not be read nobody knows.
func (s *Store) audience(h held) *Audience {
	switch {
	case h.unread:
		return &Audience{nobody: true}
	case h.export == nil || h.export.Cluster != s.self:
		return nil // of another cluster only this one is told, see Sight
	case len(h.export.Consumers) == 0 && !s.policy.Parts(h.export.Name.Namespace) && s.policy.Closed(h.export.Name.Namespace) == "":
		return nil
	}
	return s.policy.Audience(h.export)
}

// sights keeps, of one owner, how much each viewer does not see, so that a change costs one addition for each and
// not a walk. Writers hold the Store's lock, readers at least its read lock; mu is for readers that meet.
type sights struct {
	mu     sync.Mutex
	hidden map[ServiceName]hidden // records that not all may see
	of     map[ClusterID]*blind   // of those who asked
}

type hidden struct {
	audience *Audience
	hash     Hash
	former   Hash // of the record before its audience became this one
}

// blind is what a viewer does not see.
type blind struct {
	digest  Digest
	records int
}

func (b *blind) add(h hidden, n int) {
	b.digest += Digest(n) * Digest(h.hash)
	b.records += n
}

// swap notes that a record became another.
func (s *sights) swap(name ServiceName, was, now hidden) {
	if was.audience == nil && now.audience == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hidden == nil {
		s.hidden, s.of = map[ServiceName]hidden{}, map[ClusterID]*blind{}
	}
	for viewer, b := range s.of {
		if !was.audience.Has(viewer) {
			b.add(was, -1)
		}
		if !now.audience.Has(viewer) {
			b.add(now, 1)
		}
	}
	if now.audience == nil {
		delete(s.hidden, name)
	} else {
		if now.former = was.hash; was.audience != nil && slices.Equal(was.audience.consumers, now.audience.consumers) {
			now.former = s.hidden[name].former
		}
		s.hidden[name] = now
	}
}

// blind returns how much a viewer does not see.
func (s *sights) blind(viewer ClusterID) blind {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hidden) == 0 {
		return blind{}
	}
	b := s.of[viewer]
	if b == nil {
		b = &blind{}
		for _, h := range s.hidden {
			if !h.audience.Has(viewer) {
				b.add(h, 1)
			}
		}
		s.of[viewer] = b
	}
	return *b
}

// Head returns how much the viewer may see of a cluster.
func (v Sight) Head(cluster ClusterID) Head {
	v.store.mu.RLock()
	defer v.store.mu.RUnlock()
	if o := v.owner(cluster); o != nil {
		return v.head(o)
	}
	return Head{}
}

// owner returns what there is of a cluster, nil if the viewer is to see nothing: others than our own agents are told of
// our own cluster alone.
func (v Sight) owner(cluster ClusterID) *owner {
	if !v.all() && cluster != v.store.self {
		return nil
	}
	return v.store.owners[cluster]
}

func (v Sight) head(o *owner) Head {
	head := o.head()
	if !v.all() {
		b := o.sights.blind(v.viewer)
		head.Digest -= b.digest
		head.Records -= b.records
	}
	return head
}

// all reports whether nothing is hidden from the viewer.
func (v Sight) all() bool { return hiddenSeen || v.viewer == v.store.self }

func (v Sight) sees(a *Audience) bool { return v.all() || a.Has(v.viewer) }

// Since returns what the viewer lacks of a cluster who has that much of it; nil when it lacks nothing, has something
// newer, or nothing is known here. If that cannot be told by versions alone, ask is true: with the hashes of what
// the viewer has, Against tells. So it is when the viewer alone says what it has, and that would have it told the name of
// something it may not see any more.
func (v Sight) Since(cluster ClusterID, has Head, proven bool) (u *Update, ask bool) {
	v.store.mu.RLock()
	defer v.store.mu.RUnlock()
	o := v.owner(cluster)
	if o == nil || o.version.IsZero() || has.Version.Compare(o.version) > 0 {
		return nil, false
	}
	head := v.head(o)
	if has.Version == o.version && has.Digest == head.Digest {
		return nil, false
	}
	if has.Version != o.version && has.Version.Term == o.version.Term {
		if list, reaches := o.changes.since(has.Version.Seq); reaches {
			u := v.increment(o, has.Version, list)
			if !proven && u.Tailored && len(u.Withdrawn) > 0 {
				return nil, true
			}
			return u, false
		}
	}
	if has.Records > 0 && has.Digest != head.Digest {
		return nil, true
	}
	if has.Records > 0 { // the same set at another version
		return &Update{Owner: o.id, To: o.version, Digest: head.Digest, Left: o.left}, false
	}
	return v.against(o, nil), false
}

// increment returns the changes after a version as an update.
func (v Sight) increment(o *owner, from Version, list []change) *Update {
	u := &Update{Owner: o.id, From: from, To: o.version, Digest: v.head(o).Digest, Left: o.left, Meant: o.left || o.silent}
	meant := 0
	for _, c := range list {
		h, known := o.records[c.name]
		now := v.store.audience(h)
		u.Tailored = u.Tailored || c.seers != nil || now != nil
		saw, sees := c.existed && v.sees(c.seers), known && v.sees(now)
		if !saw && !sees {
			continue
		}
		if !c.at.IsZero() && (u.At.IsZero() || c.at.Before(u.At)) {
			u.At = c.at
		}
		switch {
		case !sees:
			u.Withdrawn = append(u.Withdrawn, c.name)
			if known || c.meant { // the owner took it from this viewer, or from all
				meant++
			}
		case h.unread:
			u.Unread = append(u.Unread, Unread{Name: c.name, Hash: h.hash, Former: h.export})
		default:
			r, keys := Record{h.export, h.hash}, distinct(c.touched)
			if c.whole || !saw || len(keys) >= r.EndpointCount() {
				u.Put = append(u.Put, r)
			} else {
				u.Patched = append(u.Patched, patch(c.base, r, keys))
			}
		}
	}
	u.Meant = u.Meant || meant > 0 && meant == len(u.Withdrawn)
	return u
}

// Against returns what the viewer lacks of a cluster who holds records with these hashes of it; nil when nothing is
// known here.
func (v Sight) Against(cluster ClusterID, hashes []Hash) *Update {
	v.store.mu.RLock()
	defer v.store.mu.RUnlock()
	o := v.owner(cluster)
	if o == nil || o.version.IsZero() {
		return nil
	}
	return v.against(o, hashes)
}

func (v Sight) against(o *owner, hashes []Hash) *Update {
	there := make(map[Hash]bool, len(hashes))
	for _, h := range hashes {
		there[h] = true
	}
	for h := range o.ambiguous() {
		delete(there, h)
	}
	u := &Update{Owner: o.id, To: o.version, Digest: v.head(o).Digest, Left: o.left, Meant: o.left || o.silent, Tailored: true}
	taken := 0
	for name, h := range o.records {
		switch {
		case !v.sees(v.store.audience(h)):
			if there[h.hash] || there[o.sights.hidden[name].former] {
				taken++ // the viewer has it, and is not to any more
			}
		case there[h.hash]:
			delete(there, h.hash)
		case h.unread:
			u.Unread = append(u.Unread, Unread{Name: name, Hash: h.hash, Former: h.export})
		default:
			u.Put = append(u.Put, Record{h.export, h.hash})
		}
	}
	slices.SortFunc(u.Put, func(a, b Record) int { return a.Name.Compare(b.Name) })
	u.Stale = slices.Sorted(maps.Keys(there))
	u.Meant = u.Meant || taken > 0 && taken == len(there)
	return u
}
