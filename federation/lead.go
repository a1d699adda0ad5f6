package federation

import (
	"fmt"
	"time"
)

// Announce begins a term of this cluster's leader with the complete set of its exports. Until the
// first call this cluster has said nothing. The exports must be normalized and pass Check.
// From then on nobody else may speak for this cluster, until Follow. It reports false, and does nothing, when the term
// is below LeastTerm, which may have grown since it was asked for.
func (s *Store) Announce(term uint64, exports []*Export) bool {
	return s.announce(term, sealed(exports), false)
}

// AnnounceSilence begins a term as Announce does, without any export, and means that: this cluster stays a member, and
// says nothing until the next Announce.
func (s *Store) AnnounceSilence(term uint64) bool { return s.announce(term, nil, true) }

func (s *Store) announce(term uint64, records []Record, silent bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.owner(s.self).silent
	s.owner(s.self).silent = silent // before anybody reads what is announced
	if !s.lead(term, records) {
		s.owner(s.self).silent = before
		return false
	}
	s.listen(s.clock())
	s.leading, s.direct, s.owner(s.self).left = true, true, false
	return true
}

// Follow says that this agent does not lead any more, or may not for a while: what another one passes on of this
// cluster is taken from now on, and nothing is contested. What is held stays.
func (s *Store) Follow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leading {
		s.listen(s.clock())
	}
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
	return s.leastTerm()
}

func (s *Store) leastTerm() uint64 {
	least := s.rival.Term
	if o := s.owners[s.self]; o != nil {
		least = max(least, o.version.Term)
	}
	return least + 1
}

// Renew begins another term, as Announce does, with what this cluster says already. It does nothing, and reports
// false, if this agent does not lead or the term is below LeastTerm.
func (s *Store) Renew(term uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.leading {
		return false
	}
	var records []Record
	for _, h := range s.owner(s.self).records {
		records = append(records, Record{h.export, h.hash})
	}
	return s.lead(term, records)
}

// Set says that this cluster exports e, normalized; a no-op when it already says so. Announce must have
// been called.
func (s *Store) Set(e *Export) {
	r := Sealed(e)
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(s.self)
	if old := o.records[e.Name].export; s.leading && !o.left && !o.silent && (old == nil || !old.Equal(e)) {
		o.version.Seq++
		s.put(o, r, cause{at: s.clock()})
		s.publish(o)
	}
}

// Withdraw says that this cluster no longer exports name; a no-op when it does not.
func (s *Store) Withdraw(name ServiceName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o := s.owner(s.self); s.leading && o.records[name].export != nil {
		o.version.Seq++
		s.drop(o, name, cause{at: s.clock()})
		s.publish(o)
	}
}

// Leave says that this cluster exports nothing more, that it means it, and that it leaves the clusterset. Only
// Announce takes that back.
func (s *Store) Leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(s.self)
	if !s.leading || o.left {
		return
	}
	o.version.Seq++
	o.left = true
	o.meant++
	s.replace(o, nil, cause{at: s.clock(), meant: true})
	s.publish(o)
}

// Silence withdraws all that this cluster exports, and means it: it stays a member, and says nothing until the next
// Announce.
func (s *Store) Silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.owner(s.self)
	if !s.leading || o.silent {
		return
	}
	o.version.Seq++
	o.silent = true
	s.replace(o, nil, cause{at: s.clock(), meant: true})
	s.publish(o)
}

// Silent reports whether this cluster says nothing, and means it.
func (s *Store) Silent() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[s.self]
	return o != nil && o.silent
}

// Left reports whether this cluster has said that it leaves the clusterset.
func (s *Store) Left() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	o := s.owners[s.self]
	return o != nil && o.left
}

// Depart drops what is held of other clusters as if each had left, and meant it; unless this agent leads, of its own
// cluster too. It is for a cluster that has left, whose streams may still bring something: then it is called again.
// Without anything to drop it does nothing.
func (s *Store) Depart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, o := range s.owners {
		if id == s.self && s.leading || o.left && len(o.records) == 0 {
			continue
		}
		if id != s.self { // of which all is to be told again
			o.version, o.restored, o.parted, o.pulse = Version{}, false, nil, Pulse{met: s.clock()}
		}
		o.left = true
		o.meant++
		s.replace(o, nil, cause{at: s.clock(), meant: true})
		o.changes.reset(o.version.Seq)
		s.publish(o)
		s.joined.broadcast()
	}
}

// Return expects the clusters again that Depart dropped.
func (s *Store) Return() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.owners {
		if o.left && o.version.IsZero() {
			o.left, o.pulse = false, Pulse{met: s.clock()}
			s.publish(o)
			s.joined.broadcast()
		}
	}
}

// lead begins a term of this cluster with a complete set, unless the term is below the least.
func (s *Store) lead(term uint64, records []Record) bool {
	if term < s.leastTerm() {
		return false
	}
	o := s.owner(s.self)
	s.begin(o, Version{Term: term, Seq: 1}, func() { s.replace(o, records, cause{at: s.clock()}) })
	return true
}
