package federation

import "time"

// owner is what one cluster says. The Store's lock guards it.
type owner struct {
	id       ClusterID
	version  Version
	restored bool
	heard    time.Time
	exports  map[ServiceName]*Export
	journal  journal // of names at seqs of the version's term
	advanced signal
}

// owner returns the owner of that ID, a new and silent one if there is none.
func (s *Store) owner(id ClusterID) *owner {
	o := s.owners[id]
	if o == nil {
		o = &owner{id: id, exports: map[ServiceName]*Export{}, advanced: newSignal()}
		s.owners[id] = o
	}
	return o
}

// lead begins a term of this cluster with a complete set.
func (s *Store) lead(term uint64, exports []*Export) {
	o := s.owner(s.self)
	s.begin(o, Version{Term: max(term, s.rival+1, o.version.Term+1), Seq: 1}, exports, nil)
}

// begin takes a complete set at version v, but for what is to keep. Whoever has less than v of this owner needs the whole set.
func (s *Store) begin(o *owner, v Version, exports []*Export, keep []ServiceName) {
	known, revision := o.version == v, s.revision
	o.version, o.restored = v, false
	s.replace(o, exports, keep)
	o.journal.reset(v.Seq)
	if !known || s.revision != revision {
		s.publish(o)
	}
}

// replace makes exports, and what is held of the names to keep, all that the owner says. What is equal
// stays, and is no change.
func (s *Store) replace(o *owner, exports []*Export, keep []ServiceName) {
	stays := make(map[ServiceName]bool, len(exports)+len(keep))
	for _, name := range keep {
		stays[name] = true
	}
	for _, e := range exports {
		stays[e.Name] = true
		s.put(o, e)
	}
	for name := range o.exports {
		if !stays[name] {
			s.drop(o, name)
		}
	}
}

// put records e at the owner's version, unless it is what the owner says already.
func (s *Store) put(o *owner, e *Export) {
	if old := o.exports[e.Name]; old != nil && old.Equal(e) {
		return
	}
	o.exports[e.Name] = e
	s.names.put(e)
	s.record(o, e.Name)
}

// drop ends what the owner says of name, if anything.
func (s *Store) drop(o *owner, name ServiceName) {
	if o.exports[name] == nil {
		return
	}
	delete(o.exports, name)
	s.names.drop(name, o.id)
	s.record(o, name)
}

func (s *Store) record(o *owner, name ServiceName) {
	s.revision++
	s.journal.add(s.revision, name)
	o.journal.add(o.version.Seq, name)
}

// publish wakes who waits for this owner, and who waits for any.
func (s *Store) publish(o *owner) {
	o.advanced.broadcast()
	s.changed.broadcast()
}
