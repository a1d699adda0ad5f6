package xds

import (
	"maps"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// store holds the newest resources, and which streams want to know of each. A change costs what its
// subscribers cost.
type store struct {
	mu            sync.Mutex
	entries       [kinds]map[string]*entry
	there         [kinds]map[string]*resource  // of the entries those with a resource, but for empty assignments of clusters that went
	all           [kinds]map[*mailbox]struct{} // who subscribes to every resource of a type
	subscriptions int                          // by name
	faulty        map[key]fault                // resources that are not told, or not wholly, because clients would refuse them
}

// fault is what is wrong with a resource.
type fault struct {
	of  *resource
	err error
}

// entry is there while its resource exists or anybody subscribes to it.
type entry struct {
	kind        kind
	current     *resource // nil while there is none
	subscribers []*item   // in no order
}

// mailbox holds what changed for one stream since it last looked, the newest of each name: as much as
// it subscribes to, and a bounded number of names that it dropped. The store's lock guards what is above the blank line.
type mailbox struct {
	changed []*item          // those of which the stream is told by name, with news, each once
	covered map[key]struct{} // what else changed that a wildcard covers

	origin *origin // where the stream comes from
	ring   func()  // makes the stream look for something to send; it does not block, and any goroutine may call it
}

// subscription is what the store notes of an item, and guards by its lock. It is of one memory with the item, as there are as
// many of them as all streams together subscribe to names.
type subscription struct {
	box   *mailbox
	entry *entry // nil while the stream is not told of it by name
	at    int    // where among the subscribers of entry it is
	news  bool   // it is among those that changed
}

// change is what a name stands for now, nil for nothing.
type change struct {
	key  key
	item *item // of the stream's session; nil for a name that a wildcard covers
	now  *resource
}

func newStore() *store {
	s := &store{faulty: map[key]fault{}}
	for k := range s.all {
		s.entries[k] = map[string]*entry{}
		s.there[k] = map[string]*resource{}
		s.all[k] = map[*mailbox]struct{}{}
	}
	return s
}

func newMailbox(ring func()) *mailbox { return &mailbox{origin: newOrigin(), ring: ring} }

// apply makes all changes in one step; nil is for a resource that went. A stream sees the whole step or
// nothing of it.
func (s *store) apply(changes map[key]*resource) {
	for _, box := range s.replace(changes) {
		box.ring() // without the lock, which who is rung takes at once
	}
}

// replace makes the changes, and returns those with news who had none: the others were rung, and did not look since.
func (s *store) replace(changes map[key]*resource) (news []*mailbox) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range changes {
		if !s.set(k, r) {
			continue
		}
		for _, it := range s.subscribers(k) {
			news = it.sub.box.joins(news)
			it.sub.box.put(it)
		}
		for box := range s.all[k.kind] {
			news = box.joins(news)
			box.cover(k)
		}
	}
	return news
}

func (b *mailbox) joins(news []*mailbox) []*mailbox {
	if len(b.changed)+len(b.covered) > 0 {
		return news
	}
	return append(news, b)
}

// set reports whether it is another one than who subscribes to it knows. An assignment that went stays as an empty
// one for who subscribes to it: its absence would say nothing, and Envoy would go on with the last one.
func (s *store) set(k key, r *resource) (changed bool) {
	e := s.entry(k)
	if r == nil && k.kind == assignmentKind && len(e.subscribers) > 0 {
		r = newResource(emptied(k.name))
	}
	if changed = !e.current.equal(r); changed {
		e.current = r // else the former stays, with what is encoded of it
		delete(s.faulty, k)
		if r == nil || r.ended() {
			delete(s.there[k.kind], k.name)
		} else {
			s.there[k.kind][k.name] = r
		}
	}
	s.tidy(k, e)
	return changed
}

// subscribers returns who subscribes to a name, nil for nobody.
func (s *store) subscribers(k key) []*item {
	if e := s.entries[k.kind][k.name]; e != nil {
		return e.subscribers
	}
	return nil
}

func (s *store) entry(k key) *entry {
	e := s.entries[k.kind][k.name]
	if e == nil {
		e = &entry{kind: k.kind}
		s.entries[k.kind][k.name] = e
	}
	return e
}

// tidy forgets an entry that nobody needs.
func (s *store) tidy(k key, e *entry) {
	if len(e.subscribers) == 0 && (e.current == nil || e.current.ended()) {
		delete(s.entries[k.kind], k.name)
	}
}

// current returns what is told under a name now, nil for nothing.
func (s *store) current(k key) *resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k.kind][k.name]; e != nil {
		return e.current
	}
	return nil
}

// named returns what is told now of one kind, by name.
func (s *store) named(k kind) map[string]*resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.there[k])
}

// blame notes what is wrong with a resource, for as long as it is the one that is told.
func (s *store) blame(k key, r *resource, err error) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[k.kind][k.name]; e == nil || e.current != r || s.faulty[k].of == r {
		return false
	}
	s.faulty[k] = fault{r, err}
	return true
}

// faults returns what is wrong with resources, by name.
func (s *store) faults() map[key]error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[key]error, len(s.faulty))
	for k, f := range s.faulty {
		all[k] = f.err
	}
	return all
}

const (
	// maxSubscriptions is how many names all streams together may subscribe to.
	maxSubscriptions = 2_000_000
	// atOnce is how many names the store works on before it lets others in.
	atOnce = 1_000
)

// subscribe changes what a stream is told of, and puts the present state of what it added into its
// mailbox, which the caller rings. It returns how many names a wildcard in it covers. The error is a gRPC status, when there are
// too many subscriptions.
func (s *store) subscribe(box *mailbox, in interest) (covered int, err error) {
	if in.startAll { // before any name is dropped, so that no change is missed
		covered = s.startAll(box, in.kind)
	}
	for items := range slices.Chunk(in.drop, atOnce) {
		s.drop(items)
	}
	for items := range slices.Chunk(in.add, atOnce) {
		if err := s.add(box, in.kind, items); err != nil {
			return covered, err
		}
	}
	if in.stopAll {
		s.stopAll(box, in.kind)
	}
	return covered, nil
}

func (s *store) add(box *mailbox, kind kind, items []*item) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch most := fair(maxSubscriptions); {
	case len(box.changed)+len(items) > 2*maxNames:
		return status.Error(codes.ResourceExhausted, "names are asked for and dropped faster than they are read")
	case s.subscriptions+len(items) > maxSubscriptions:
		return status.Errorf(codes.ResourceExhausted, "all clients subscribe to %d names: there may be %d", s.subscriptions, maxSubscriptions)
	case box.origin.names+len(items) > most:
		return status.Errorf(codes.ResourceExhausted, "the clients at this address subscribe to %d names: there may be %d", box.origin.names, most)
	}
	for _, it := range items {
		if it.sub.entry == nil {
			s.entry(key{kind, it.name}).add(box, it)
			s.subscriptions++
			box.origin.names++
		}
		box.put(it)
	}
	return nil
}

// startAll subscribes to all of a kind, and returns how many these are.
func (s *store) startAll(box *mailbox, kind kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[kind][box] = struct{}{}
	for name := range s.there[kind] {
		box.cover(key{kind, name})
	}
	return len(s.there[kind])
}

func (s *store) stopAll(box *mailbox, kind kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all[kind], box)
}

func (e *entry) add(box *mailbox, it *item) {
	it.sub.box, it.sub.entry, it.sub.at = box, e, len(e.subscribers)
	e.subscribers = append(e.subscribers, it)
}

// remove is the end of add. What the mailbox holds of the item stays until the stream looks.
func (e *entry) remove(it *item) {
	last := len(e.subscribers) - 1
	e.subscribers[it.sub.at] = e.subscribers[last]
	e.subscribers[it.sub.at].sub.at = it.sub.at
	e.subscribers[last] = nil
	if e.subscribers = e.subscribers[:last]; last == 0 {
		e.subscribers = nil
	}
	it.sub.entry = nil
}

func (s *store) drop(items []*item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		e := it.sub.entry
		if e == nil {
			continue
		}
		box := it.sub.box
		if _, covered := s.all[e.kind][box]; covered && it.sub.news {
			box.cover(key{e.kind, it.name}) // a wildcard goes on with the name, and would not tell what changed before
		}
		e.remove(it)
		s.subscriptions--
		box.origin.names--
		s.tidy(key{e.kind, it.name}, e)
	}
}

// leave ends all that a stream subscribes to.
func (s *store) leave(box *mailbox, ins []interest) {
	for _, in := range ins {
		for items := range slices.Chunk(in.drop, atOnce) {
			s.drop(items)
		}
		s.stopAll(box, in.kind)
	}
}

// take appends what changed for a stream since the last call, as it is now.
func (s *store) take(changes []change, box *mailbox) []change {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range box.changed {
		it.sub.news = false
		if e := it.sub.entry; e != nil {
			changes = append(changes, change{key{e.kind, it.name}, it, e.current})
		}
	}
	for k := range box.covered {
		changes = append(changes, change{key: k, now: s.there[k.kind][k.name]})
	}
	box.changed, box.covered = reuse(box.changed), nil
	return changes
}

// reuse returns the room of a list, as long as it is not for much.
func reuse[T any](list []T) []T {
	clear(list)
	if cap(list) > maxIdle {
		return nil
	}
	return list[:0]
}

// maxIdle is of how many changes a stream keeps the room.
const maxIdle = 64

// put notes that one of the stream's names stands for something else.
func (b *mailbox) put(it *item) {
	if !it.sub.news {
		it.sub.news = true
		b.changed = append(b.changed, it)
	}
}

// cover is put for a name that a wildcard covers.
func (b *mailbox) cover(k key) {
	if b.covered == nil {
		b.covered = map[key]struct{}{}
	}
	b.covered[k] = struct{}{}
}
