package federation

import (
	"fmt"
	"math"
)

// owner is what one cluster says. The Store's lock guards it.
type owner struct {
	id       ClusterID
	uid      string // of its namespace kube-system, "" while not known
	version  Version
	restored bool
	pulse    Pulse
	rumour   Version // that another agent of this cluster held, where it is greater than version
	records  map[ServiceName]held
	digest   Digest // of records
	usage    usage  // of records
	beyond   int    // of records that are unread as they were beyond a limit
	room     bool   // records take less than when the last one was beyond
	sights   sights // of records
	meant    uint64 // changes that the owner meant, whatever they take away
	left     bool   // the owner has left the clusterset; what is remembered is its version
	silent   bool   // the owner is this cluster, exports nothing for now, and means it
	changes  changes
	advanced signal

	// parted are the Unread records of parts that came, with the version that those lead to.
	parted map[ServiceName]Version
}

// held is the last word of an owner on one service. Of a word that could not be read the hash is held, beside the
// former Export or none.
type held struct {
	export  *Export
	hash    Hash
	unread  bool
	beyond  bool    // it is unread as it was beyond a limit
	version Version // of the owner, of which it is the word; zero for what is only remembered
	learned int64   // when it was held first, in Unix nanoseconds
}

// owner returns the owner of that ID, a new and silent one if there is none.
func (s *Store) owner(id ClusterID) *owner {
	o := s.owners[id]
	if o == nil {
		o = &owner{id: id, pulse: Pulse{met: s.clock()}, records: map[ServiceName]held{}, advanced: newSignal()}
		s.owners[id] = o
	}
	return o
}

func (o *owner) head() Head { return Head{o.version, o.digest, len(o.records)} }

// drain returns what the owner says with each of its services.
func (o *owner) drain() Drain {
	for _, h := range o.records {
		if h.export != nil {
			return h.export.Drain
		}
	}
	return Drain{}
}

// export returns what is held of a service, nil if nothing.
func (o *owner) export(name ServiceName) *Export { return o.records[name].export }

// begin moves an owner to version v, which need not follow on the one before, by what change does.
func (s *Store) begin(o *owner, v Version, change func()) {
	before, revision := o.head(), s.revision
	another, remembered := o.version.Term != v.Term, o.restored
	o.version, o.restored = v, false
	change()
	if remembered {
		o.confirm()
	}
	if another {
		o.changes.reset(v.Seq)
	}
	if o.head() != before || s.revision != revision {
		s.publish(o)
	}
	if before.Version.IsZero() && o.id != s.self {
		s.joined.broadcast()
	}
}

// confirm makes what was remembered, and is in the owner's set, a word of its version.
func (o *owner) confirm() {
	for name, h := range o.records {
		if h.version.IsZero() {
			h.version = o.version
			o.records[name] = h
		}
	}
}

// replace makes records all that the owner says. What is equal stays, and is no change.
func (s *Store) replace(o *owner, records []Record, why cause) {
	stays := make(map[ServiceName]bool, len(records))
	for _, r := range records {
		stays[r.Name] = true
		s.put(o, r, why)
	}
	for name := range o.records {
		if !stays[name] {
			s.drop(o, name, why)
		}
	}
}

// put records r at the owner's version, unless it is what the owner says already.
func (s *Store) put(o *owner, r Record, why cause) {
	before := o.records[r.Name]
	if before.export != nil && before.export.Equal(r.Export) {
		r.Export = before.export // by which readers see that nothing changed
		if before.hash == r.Hash && !before.unread {
			return
		}
	}
	s.hold(o, r.Name, before, held{export: r.Export, hash: r.Hash}, why)
}

// miss records that the owner says something that could not be read; what it said before stays.
func (s *Store) miss(o *owner, u Unread, why cause) {
	before := o.records[u.Name]
	if before.hash == u.Hash && before != (held{}) {
		return
	}
	stands := before.export
	if u.Former != nil && (stands == nil || !stands.Equal(u.Former)) {
		stands = u.Former
	}
	s.hold(o, u.Name, before, held{export: stands, hash: u.Hash, unread: true, beyond: u.beyond}, why)
}

// drop ends what the owner says of name, if anything.
func (s *Store) drop(o *owner, name ServiceName, why cause) {
	if before, known := o.records[name]; known {
		s.hold(o, name, before, held{}, why)
	}
}

// hold is the one place where a record changes.
func (s *Store) hold(o *owner, name ServiceName, before, after held, why cause) {
	o.digest += Digest(after.hash) - Digest(before.hash)
	o.usage = o.usage.plus(after.export).minus(before.export)
	o.makeRoom(before, after)
	seers := s.audience(before)
	o.sights.swap(name, hidden{audience: seers, hash: before.hash}, hidden{audience: s.audience(after), hash: after.hash})
	if after == (held{}) {
		delete(o.records, name)
		delete(o.parted, name)
	} else {
		after.version, after.learned = o.version, s.clock().UnixNano()
		o.records[name] = after
	}
	c := change{seq: o.version.Seq, cause: why, name: name, base: before.hash, existed: before != (held{}), seers: seers, whole: true}
	if before.export != nil && after.export != nil && !before.unread && !after.unread {
		if keys, few := touched(before.export, after.export); few {
			c.touched, c.whole = keys, false
		}
	}
	o.changes.add(c)
	if before.export == after.export {
		return
	}
	if after.export != nil {
		s.names.put(after.export)
	} else {
		s.names.drop(name, o.id)
	}
	s.revision++
	s.journal.add(s.revision, name, s.clock())
}

// makeRoom notes whether a record that was beyond a limit may fit by now, as another one became smaller.
func (o *owner) makeRoom(before, after held) {
	if before.beyond {
		o.beyond--
	}
	if after.beyond {
		o.beyond++
	}
	was, is := usage{}.plus(before.export), usage{}.plus(after.export)
	o.room = o.beyond > 0 && (o.room || is.services < was.services || is.endpoints < was.endpoints || is.bytes < was.bytes)
}

// publish wakes who waits for this owner, and who waits for any.
func (s *Store) publish(o *owner) {
	o.advanced.broadcast()
	s.changed.broadcast()
}

// ambiguous returns the hashes that several records have: only by mistake or malice.
func (o *owner) ambiguous() map[Hash]bool {
	seen, twice := make(map[Hash]bool, len(o.records)), map[Hash]bool{}
	for _, h := range o.records {
		if seen[h.hash] {
			twice[h.hash] = true
		}
		seen[h.hash] = true
	}
	return twice
}

// plan is an Update that was looked at whole: what it makes of an owner's records.
type plan struct {
	put    []Record
	missed []Unread
	drop   []ServiceName
}

// plan returns what the update makes of what is held, without changing it. Nothing is taken of an update that
// does not lead to its digest.
func (o *owner) plan(u *Update, most Limits) (p plan, refused []error, err error) {
	use := o.usage
	fits := func(name ServiceName, e *Export) bool {
		next := use.plus(e).minus(o.records[name].export)
		if err := most.check(use, next); err != nil {
			refused = append(refused, refusal(name, u.Owner, err))
			return false
		}
		use = next
		return true
	}
	take := func(r Record) {
		if fits(r.Name, r.Export) {
			p.put = append(p.put, r)
		} else {
			p.missed = append(p.missed, Unread{Name: r.Name, Hash: r.Hash, beyond: true})
		}
	}
	p.drop = append(p.drop, u.Withdrawn...)
	p.drop = append(p.drop, o.stale(u)...)
	for _, name := range p.drop {
		use = use.minus(o.records[name].export)
	}
	for _, m := range u.Unread {
		if m.Former != nil && o.records[m.Name].hash != m.Hash && !fits(m.Name, m.Former) {
			m.Former, m.beyond = nil, true
		}
		p.missed = append(p.missed, m)
	}
	for _, r := range u.Put {
		take(r)
	}
	for i := range u.Patched {
		patched := &u.Patched[i]
		before := o.records[patched.Name]
		switch {
		case before.hash == patched.Hash && before.export != nil:
			continue
		case before.hash != patched.Base || before.export == nil || before.unread:
			return p, nil, fmt.Errorf("patch of %s of %s: %w", patched.Name, u.Owner, ErrGap)
		}
		after, err := patched.apply(before.export)
		if err != nil {
			refused = append(refused, refusal(patched.Name, u.Owner, err))
			p.missed = append(p.missed, Unread{Name: patched.Name, Hash: patched.Hash})
			continue
		}
		take(Record{after, patched.Hash})
	}
	if n := len(o.records) - o.usage.services + o.unknown(p.missed); n > most.bare() {
		return p, nil, fmt.Errorf("update of %s to %s: %d services of which no record can be taken: want at most %d", u.Owner, u.To, n, most.bare())
	}
	if !u.More && !digestIgnored && p.digest(o) != u.Digest {
		p.drop = append(p.drop, o.unnamed(u)...)
		if p.digest(o) != u.Digest {
			return p, nil, fmt.Errorf("update of %s to %s leads to another digest: %w", u.Owner, u.To, ErrGap)
		}
	}
	return p, refused, nil
}

// unknown counts the records of which nothing was held.
func (o *owner) unknown(list []Unread) (n int) {
	for _, u := range list {
		if _, known := o.records[u.Name]; !known {
			n++
		}
	}
	return n
}

// unnamed returns the unread records that no part of an update names which is relative to hashes. It could not
// call them stale, as theirs were not among the hashes.
func (o *owner) unnamed(u *Update) (names []ServiceName) {
	if !u.relative() {
		return nil
	}
	named := u.names()
	for name, h := range o.records {
		if h.unread && !named[name] && o.parted[name] != u.To {
			names = append(names, name)
		}
	}
	return names
}

// stale returns the services whose record the update says is no more by its hash; those that it names are not among
// them.
func (o *owner) stale(u *Update) (names []ServiceName) {
	if len(u.Stale) == 0 {
		return nil
	}
	goes := make(map[Hash]bool, len(u.Stale))
	for _, h := range u.Stale {
		goes[h] = true
	}
	named := u.names()
	for name, h := range o.records {
		if goes[h.hash] && !named[name] {
			names = append(names, name)
		}
	}
	return names
}

// digest returns that of what the owner's records become.
func (p *plan) digest(o *owner) Digest {
	d := o.digest
	swap := func(name ServiceName, h Hash) { d += Digest(h) - Digest(o.records[name].hash) }
	for _, r := range p.put {
		swap(r.Name, r.Hash)
	}
	for _, u := range p.missed {
		swap(u.Name, u.Hash)
	}
	for _, name := range p.drop {
		swap(name, 0)
	}
	return d
}

// carryOut makes the plan so. It is called with the version that the changes are of.
func (s *Store) carryOut(o *owner, p plan, why cause) {
	if withdrawalLost {
		p.drop = nil
	}
	for _, r := range p.put {
		s.put(o, r, why)
	}
	for _, u := range p.missed {
		s.miss(o, u, why)
	}
	for _, name := range p.drop {
		s.drop(o, name, why)
	}
}

// unreachable is a seq that no change was at.
const unreachable = math.MaxUint64
