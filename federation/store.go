package federation

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// Store holds the Exports of every cluster, each under its owner's Version. All methods may be called
// from any goroutine; none blocks for longer than the map work it does.
type Store struct {
	self ClusterID

	mu       sync.RWMutex
	owners   map[ClusterID]*owner
	names    nameIndex
	revision uint64
	journal  journal // of names at revisions, over all owners
	changed  signal

	rival     uint64 // the greatest term that a peer holds of us
	contested signal
}

// Owner tells how much is known of one cluster.
type Owner struct {
	Cluster ClusterID
	Version Version   // zero while nothing, or only remembered records, are held
	Heard   time.Time // when the cluster was last heard; zero if never since the start
	Exports int
	// Restored means that the records are remembered from before a restart, not yet heard again.
	Restored bool
}

// NewStore returns an empty Store of the cluster self.
func NewStore(self ClusterID) *Store {
	return &Store{
		self:    self,
		owners:  map[ClusterID]*owner{},
		names:   nameIndex{},
		changed: newSignal(),

		contested: newSignal(),
	}
}

// Self returns the cluster that the Store belongs to.
func (s *Store) Self() ClusterID { return s.self }

// Announce begins a term of this cluster's leader with the complete set of its exports. Until the
// first call this cluster has said nothing. The term is the greater of the one given and what is beyond
// all that is known of us, so a version never goes back. The exports must be normalized and pass Check.
func (s *Store) Announce(term uint64, exports []*Export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lead(term, exports)
}

// Contest records that a peer holds a version of this cluster in that term, of another leader or from
// before a restart: the peer refuses all that we say in a lower one. Contested wakes whoever may begin
// another term. An error is returned for a term beyond MaxTerm, which changes nothing.
func (s *Store) Contest(term uint64, now time.Time) error {
	if most := MaxTerm(now); term > most {
		return fmt.Errorf("term %d of %s: want at most %d, a day ahead of the clock", term, s.self, most)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if term > s.rival {
		s.rival = term
		s.contested.broadcast()
	}
	return nil
}

// Contested reports whether a peer holds a greater term of this cluster than it speaks in, and returns a
// channel that closes when that may have changed. Renew ends it.
func (s *Store) Contested() (bool, <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[s.self]
	return o != nil && !o.version.IsZero() && s.rival > o.version.Term, s.contested.ch
}

// Renew begins another term, as Announce does, with what this cluster says already.
func (s *Store) Renew(term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lead(term, slices.Collect(maps.Values(s.owner(s.self).exports)))
}

// Set says that this cluster exports e, normalized; a no-op when it already says so. Announce must have
// been called.
func (s *Store) Set(e *Export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(s.self)
	if old := o.exports[e.Name]; old == nil || !old.Equal(e) {
		o.version.Seq++
		s.put(o, e)
		s.publish(o)
	}
}

// Withdraw says that this cluster no longer exports name; a no-op when it does not.
func (s *Store) Withdraw(name ServiceName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(s.self); o.exports[name] != nil {
		o.version.Seq++
		s.drop(o, name)
		s.publish(o)
	}
}

// Apply takes an update of another cluster, whole or not at all. The caller has checked that whoever
// sent it may speak for the owner, and that every Export passes Check and is normalized. Errors wrap
// ErrOwnWord, ErrOlder or ErrGap.
func (s *Store) Apply(u *Update) error {
	if u.Owner == s.self {
		return ErrOwnWord
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(u.Owner)
	if err := u.check(o.version); err != nil {
		return err
	}
	if u.Whole() {
		s.begin(o, u.To, u.Put, u.Unread)
		return nil
	}
	known, revision := o.version == u.To, s.revision
	o.version = u.To
	for _, e := range u.Put {
		s.put(o, e)
	}
	for _, name := range u.Withdrawn {
		s.drop(o, name)
	}
	if !known || s.revision != revision {
		s.publish(o)
	}
	return nil
}

// Restore fills in what is remembered of a cluster from before a restart, for a cluster that has not
// been heard yet; it stays until the cluster's first complete set. The exports must be normalized.
func (s *Store) Restore(cluster ClusterID, exports []*Export) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(cluster); o.version.IsZero() {
		o.restored = true
		s.replace(o, exports, nil)
		s.publish(o)
	}
}

// Heard records that a cluster was heard at t.
func (s *Store) Heard(cluster ClusterID, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owner(cluster).heard = t
}

// Version returns at which version a cluster is held.
func (s *Store) Version(cluster ClusterID) Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.version
	}
	return Version{}
}

// Export returns what a cluster says of a service, nil if nothing.
func (s *Store) Export(cluster ClusterID, name ServiceName) *Export {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[cluster]; o != nil {
		return o.exports[name]
	}
	return nil
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

// Peers returns how many other clusters were heard since the start.
func (s *Store) Peers() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	n := 0
	for id, o := range s.owners {
		if id != s.self && !o.version.IsZero() {
			n++
		}
	}
	return n
}

// Owners returns what is known of each cluster, by cluster ID.
func (s *Store) Owners() []Owner {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Owner, 0, len(s.owners))
	for _, id := range slices.Sorted(maps.Keys(s.owners)) {
		o := s.owners[id]
		list = append(list, Owner{Cluster: id, Version: o.version, Heard: o.heard, Exports: len(o.exports), Restored: o.restored})
	}
	return list
}

// Exports returns all exports of a service, by cluster ID. Nobody may write to the slice.
func (s *Store) Exports(name ServiceName) []*Export {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names.get(name)
}

// NamesIn returns the services that any cluster exports in a namespace.
func (s *Store) NamesIn(namespace string) []ServiceName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names.in(namespace)
}

// NamesSince returns the services that changed after revision, and the revision that this brings the
// caller to; Changed tells when to ask again. When revision is too long ago, reaches is false and names
// are all services that are exported now: what the caller knows beyond them is gone.
func (s *Store) NamesSince(revision uint64) (names []ServiceName, now uint64, reaches bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names, reaches = s.journal.since(revision)
	if !reaches {
		names = s.names.all()
	}
	return names, s.revision, reaches
}

// Changed returns a channel that closes at the next change of any cluster's version or exports. Take it
// before reading.
func (s *Store) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed.ch
}

// Since returns what a cluster changed after from, its whole set when the journal does not reach back
// or the term is another, and nil when from is current or nothing is known.
func (s *Store) Since(cluster ClusterID, from Version) *Update {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil || o.version.IsZero() || from == o.version {
		return nil
	}
	u := &Update{Owner: cluster, From: from, To: o.version}
	names, ok := o.journal.since(from.Seq)
	if from.Term != o.version.Term || from.Seq > o.version.Seq || !ok {
		u.From = Version{}
		u.Put = slices.SortedFunc(maps.Values(o.exports), func(a, b *Export) int { return a.Name.Compare(b.Name) })
		return u
	}
	for _, name := range names {
		if e := o.exports[name]; e != nil {
			u.Put = append(u.Put, e)
		} else {
			u.Withdrawn = append(u.Withdrawn, name)
		}
	}
	return u
}

// Advanced returns a channel that closes when the cluster's version or records next change. Take it
// before reading.
func (s *Store) Advanced(cluster ClusterID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner(cluster).advanced.ch
}
