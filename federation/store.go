package federation

import (
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

	policy Namespaces // on what other clusters may see

	mu       sync.RWMutex
	owners   map[ClusterID]*owner
	names    nameIndex
	revision uint64
	journal  journal          // of names at revisions, over all owners
	clock    func() time.Time // says when a change was made, to be measured and nothing else
	changed  signal
	joined   signal
	revived  signal    // a cluster was heard after a silence
	listened time.Time // when this agent could last hear
	direct   bool      // it hears the other clusters itself

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
	// Left means that the cluster has said that it leaves the clusterset: nothing is expected of it.
	Left bool
	// UID is that by which the cluster was met, "" if none.
	UID string
	// Drain is what the cluster says of itself, with what it exports.
	Drain Drain
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
		revived: newSignal(),

		contested: newSignal(),
	}
}

// KeepTime lets the Store take the time from clock, as a simulation does. It is called before anything else.
func (s *Store) KeepTime(clock func() time.Time) { s.clock = clock }

// Self returns the cluster that the Store belongs to.
func (s *Store) Self() ClusterID { return s.self }

// Apply takes an update of another cluster, or of this one while another agent leads, whole or not at all. The
// caller has checked that whoever sent it may speak for the owner, and that every Export passes Check and is
// normalized. Records beyond the limits are returned as refused, the others are taken. Errors wrap ErrOwnWord,
// ErrOlder or ErrGap.
func (s *Store) Apply(u *Update) (refused []error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Owner == s.self && s.leading {
		return nil, ErrOwnWord
	}
	o := s.owner(u.Owner)
	if err := u.check(o.version); err != nil {
		return nil, err
	}
	p, refused, err := o.plan(u, s.most(u.Owner))
	switch {
	case err == nil && u.More:
		s.carryOutPart(o, u, p)
		return refused, nil
	case err == nil:
		remembered := o.restored
		s.begin(o, u.To, func() { s.carryOut(o, p, u.cause()) })
		if o.left != u.Left { // it falls silent, and comes back, because it means to
			s.joined.broadcast()
			o.pulse = o.pulse.calm()
		}
		o.left, o.silent = u.Left, false // of our own cluster another agent says by now how it is
		if u.Meant || remembered {
			o.meant++
		}
	}
	o.parted = nil
	return refused, err
}

// carryOutPart takes the records of an update of which more follows. Until the last part
// they are changes of a version that is not there yet: who reads this owner from us is asked for hashes, and told of
// them with the digest of now.
func (s *Store) carryOutPart(o *owner, u *Update, p plan) {
	before, revision := o.head(), s.revision
	o.version = u.To
	s.carryOut(o, p, u.cause())
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

// most returns what a cluster may take.
func (s *Store) most(cluster ClusterID) Limits {
	if cluster == s.self {
		return unlimited
	}
	return s.limits
}

// Restore fills in what is remembered of a cluster from before a restart, for a cluster that has not
// been heard yet; it stays until the cluster's first complete set. The exports must be normalized. Those beyond the limits,
// which may be others than when they were taken, are returned as refused and not held: the cluster's first complete set
// brings them again, to be refused, and asked for once there is room, as any others.
func (s *Store) Restore(cluster ClusterID, exports []*Export) (refused []error) {
	records := sealed(exports)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(cluster)
	if !o.version.IsZero() {
		return nil
	}
	records, refused = s.most(cluster).fitting(records)
	o.restored = true
	s.replace(o, records, cause{})
	o.changes.reset(0)
	s.publish(o)
	return refused
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

// Capacity is how much one cluster serves.
type Capacity struct {
	Endpoints int
	Services  int // that have endpoints
	// Meant grows whenever the cluster said that it means to withdraw what it withdraws, and when its first word took
	// the place of what was remembered: who knows when that changed.
	Meant uint64
	// Left means that it has left the clusterset.
	Left bool
}

// Capacity returns how much a cluster serves.
func (s *Store) Capacity(cluster ClusterID) Capacity {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil {
		return Capacity{}
	}
	return Capacity{o.usage.endpoints, o.usage.serving, o.meant, o.left}
}

// Owners returns what is known of each cluster, by cluster ID.
func (s *Store) Owners() []Owner {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([]Owner, 0, len(s.owners))
	for _, id := range slices.Sorted(maps.Keys(s.owners)) {
		o := s.owners[id]
		list = append(list, Owner{Cluster: id, Version: o.version, Heard: o.pulse.heard, Exports: o.usage.services, Endpoints: o.usage.endpoints, Restored: o.restored, Left: o.left, UID: o.uid, Drain: o.drain()})
	}
	return list
}

// Exports returns all exports of a service, by cluster ID. Nobody may write to the slice.
func (s *Store) Exports(name ServiceName) []*Export {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.names.get(name)
}

// Take puts beside each of the services all exports of it, as Exports does of one.
func (s *Store) Take(into map[ServiceName][]*Export) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name := range into {
		into[name] = s.names.get(name)
	}
}

// NamesOf returns the services that a cluster exports.
func (s *Store) NamesOf(cluster ClusterID) []ServiceName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[cluster]
	if o == nil {
		return nil
	}
	return slices.Collect(maps.Keys(o.records))
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
