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
	self   ClusterID
	limits Limits // of each other cluster

	exports Namespaces // what other clusters may see

	mu       sync.RWMutex
	owners   map[ClusterID]*owner
	names    nameIndex
	revision uint64
	journal  journal          // of names at revisions, over all owners
	source   time.Time        // when the change that is being applied was made, by its owner's clock
	clock    func() time.Time // says when a change was made, to be measured and nothing else
	changed  signal
	joined   signal

	leading   bool    // this agent speaks for its cluster
	rival     Version // the greatest that a peer holds of us
	contested signal
}

// Owner tells how much is known of one cluster.
type Owner struct {
	Cluster ClusterID
	Version Version   // zero while nothing, or only remembered records, are held
	Heard   time.Time // when the cluster was last heard; zero if never since the start
	// Exports and their Endpoints are how many are held.
	Exports, Endpoints int
	// Restored means that the records are remembered from before a restart, not yet heard again.
	Restored bool
}

// NewStore returns an empty Store of the cluster self, with the default Limits.
func NewStore(self ClusterID) *Store { return NewStoreWithin(self, Limits{}) }

// NewStoreWithin returns an empty Store of the cluster self, in which no other cluster takes more than most.
func NewStoreWithin(self ClusterID, most Limits) *Store {
	return &Store{
		self:    self,
		limits:  most.orDefault(),
		owners:  map[ClusterID]*owner{},
		names:   nameIndex{},
		clock:   time.Now,
		changed: newSignal(),
		joined:  newSignal(),

		contested: newSignal(),
	}
}

// Self returns the cluster that the Store belongs to.
func (s *Store) Self() ClusterID { return s.self }

// Announce begins a term of this cluster's leader with the complete set of its exports. Until the
// first call this cluster has said nothing. The term is the greater of the one given and what is beyond
// all that is known of us, so a version never goes back. The exports must be normalized and pass Check.
// From then on nobody else may speak for this cluster, until Follow.
func (s *Store) Announce(term uint64, exports []*Export) {
	records := sealed(exports)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading = true
	s.lead(term, records)
}

// Follow says that this agent does not lead any more, or may not for a while: what another one passes on of this
// cluster is taken from now on, and nothing is contested. What is held stays.
func (s *Store) Follow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading = false
	s.contested.broadcast()
}

// Resume says that this agent leads on after Follow, with nobody else between: its term is still its own. Whoever
// calls Announce, Follow and Resume is one and the same.
func (s *Store) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leading = true
	s.contested.broadcast()
}

// Leading reports whether this agent speaks for its cluster.
func (s *Store) Leading() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.leading
}

// Contest records that a peer holds that version of this cluster, of another leader or from
// before a restart: the peer refuses all that is older. Contested wakes whoever may begin
// another term. An error is returned for a term beyond MaxTerm, which changes nothing.
func (s *Store) Contest(v Version, now time.Time) error {
	if most := MaxTerm(now); v.Term > most {
		return fmt.Errorf("term %d of %s: want at most %d, a day ahead of the clock", v.Term, s.self, most)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.Compare(s.rival) > 0 {
		s.rival = v
		s.contested.broadcast()
	}
	return nil
}

// Contested returns the greater version of this cluster that a peer holds than the one it speaks in, zero if there
// is none, and a channel that closes when that may have changed. Renew ends it.
func (s *Store) Contested() (Version, <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if o := s.owners[s.self]; !s.leading || s.rival.Compare(o.version) <= 0 {
		return Version{}, s.contested.ch
	}
	return s.rival, s.contested.ch
}

// LeastTerm returns the least term that this cluster's next leader may begin: beyond all that is known of it.
func (s *Store) LeastTerm() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	least := s.rival.Term
	if o := s.owners[s.self]; o != nil {
		least = max(least, o.version.Term)
	}
	return least + 1
}

// Renew begins another term, as Announce does, with what this cluster says already. It does nothing if this agent
// does not lead.
func (s *Store) Renew(term uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leading {
		return
	}
	var records []Record
	for _, h := range s.owner(s.self).records {
		records = append(records, Record{h.export, h.hash})
	}
	s.lead(term, records)
}

// Set says that this cluster exports e, normalized; a no-op when it already says so. Announce must have
// been called.
func (s *Store) Set(e *Export) {
	r := Sealed(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(s.self)
	if old := o.records[e.Name].export; s.leading && (old == nil || !old.Equal(e)) {
		o.version.Seq++
		s.put(o, r)
		s.publish(o)
	}
}

// Withdraw says that this cluster no longer exports name; a no-op when it does not.
func (s *Store) Withdraw(name ServiceName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(s.self); s.leading && o.records[name].export != nil {
		o.version.Seq++
		s.drop(o, name)
		s.publish(o)
	}
}

// Apply takes an update of another cluster, or of this one while another agent leads, whole or not at all. The
// caller has checked that whoever sent it may speak for the owner, and that every Export passes Check and is
// normalized. Records beyond the limits are returned as refused, the others are taken. Errors wrap ErrOwnWord,
// ErrOlder or ErrGap.
func (s *Store) Apply(u *Update) (refused []error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = u.At
	defer func() { s.source = time.Time{} }()
	if u.Owner == s.self && s.leading {
		return nil, ErrOwnWord
	}
	o := s.owner(u.Owner)
	if err := u.check(o.version); err != nil {
		return nil, err
	}
	most := s.limits
	if u.Owner == s.self {
		most = unlimited
	}
	p, refused, err := o.plan(u, most)
	switch {
	case err == nil && u.More:
		s.carryOutPart(o, u, p)
		return refused, nil
	case err == nil:
		s.begin(o, u.To, func() { s.carryOut(o, p) })
	}
	o.parted = nil
	return refused, err
}

// carryOutPart takes the records of an update of which more follows. Until the last part
// they are changes of a version that is not there yet: who reads this owner from us is asked for hashes, and told of
// them with the digest of now.
func (s *Store) carryOutPart(o *owner, u *Update, p plan) {
	before, revision := o.head(), s.revision
	o.version.Seq = u.To.Seq
	s.carryOut(o, p)
	o.version = before.Version
	if o.version.Term != u.To.Term {
		o.changes.reset(unreachable)
	}
	if o.parted == nil {
		o.parted = map[ServiceName]Version{}
	}
	for _, m := range p.missed {
		o.parted[m.Name] = u.To
	}
	if o.head() != before || s.revision != revision {
		s.publish(o)
	}
}

// Restore fills in what is remembered of a cluster from before a restart, for a cluster that has not
// been heard yet; it stays until the cluster's first complete set. The exports must be normalized.
func (s *Store) Restore(cluster ClusterID, exports []*Export) {
	records := sealed(exports)
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(cluster); o.version.IsZero() {
		o.restored = true
		s.replace(o, records)
		o.changes.reset(0)
		s.publish(o)
	}
}

func sealed(exports []*Export) []Record {
	records := make([]Record, len(exports))
	for i, e := range exports {
		records[i] = Sealed(e)
	}
	return records
}

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
		if o.version.IsZero() {
			return false
		}
	}
	return true
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
		return o.export(name)
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

// Joined returns a channel that closes when Peers next grows. Take it before reading.
func (s *Store) Joined() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.joined.ch
}

// Owners returns what is known of each cluster, by cluster ID.
func (s *Store) Owners() []Owner {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Owner, 0, len(s.owners))
	for _, id := range slices.Sorted(maps.Keys(s.owners)) {
		o := s.owners[id]
		list = append(list, Owner{Cluster: id, Version: o.version, Heard: o.heard, Exports: o.usage.services, Endpoints: o.usage.endpoints, Restored: o.restored})
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

// ChangedSince returns when the first change of the exports after revision was made here, as far back as is
// remembered; zero when there is none.
func (s *Store) ChangedSince(revision uint64) time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.journal.after(revision)
}

// Changed returns a channel that closes at the next change of any cluster's version or exports. Take it
// before reading.
func (s *Store) Changed() <-chan struct{} {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.changed.ch
}

// Advanced returns a channel that closes when the cluster's version or records next change. Take it
// before reading.
func (s *Store) Advanced(cluster ClusterID) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner(cluster).advanced.ch
}
