package xds

import (
	"sync"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
)

// kind is a type of resource, in the order in which a client needs those of a new service.
type kind int

const (
	clusterKind kind = iota
	assignmentKind
	listenerKind
	kinds
)

var typeURLs = [kinds]string{ClusterType, EndpointType, ListenerType}

// kindOf returns the kind of a type that is served.
func kindOf(typeURL string) (kind, bool) {
	for k, url := range typeURLs {
		if url == typeURL {
			return kind(k), true
		}
	}
	return 0, false
}

// key names a resource.
type key struct {
	kind kind
	name string
}

// store holds the newest resources, and which streams want to know of each. A change costs what its
// subscribers cost.
type store struct {
	mu      sync.Mutex
	entries map[key]*entry
	all     [kinds]map[*mailbox]struct{} // who subscribes to every resource of a type
}

// entry is there while its resource exists or anybody subscribes to it.
type entry struct {
	current     *Resource // nil while there is none
	subscribers map[*mailbox]struct{}
}

// mailbox holds what changed for one stream since it last looked, the newest of each name: as much as
// it subscribes to, at most. The store's lock guards it.
type mailbox struct {
	changed map[key]*Resource
	wake    chan struct{} // holds one token while changed is not empty
}

func newStore() *store {
	s := &store{entries: map[key]*entry{}}
	for k := range s.all {
		s.all[k] = map[*mailbox]struct{}{}
	}
	return s
}

func newMailbox() *mailbox {
	return &mailbox{changed: map[key]*Resource{}, wake: make(chan struct{}, 1)}
}

// apply makes all changes in one step; nil is for a resource that went. A stream sees the whole step or
// nothing of it.
func (s *store) apply(changes map[key]*Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, r := range changes {
		s.set(k, r)
	}
}

// set tells everybody concerned, unless it is what they know. An assignment that went stays as an empty
// one for who subscribes to it: its absence would say nothing, and Envoy would go on with the last one.
func (s *store) set(k key, r *Resource) {
	e := s.entry(k)
	if r == nil && k.kind == assignmentKind && len(e.subscribers) > 0 {
		r = emptied(k.name)
	}
	changed := !same(e.current, r) || r != nil && r.gone != e.current.gone
	if changed {
		e.current = r // else the former stays, which streams hold too
	}
	s.tidy(k, e)
	if !changed {
		return
	}
	for box := range e.subscribers {
		box.put(k, r)
	}
	for box := range s.all[k.kind] {
		box.put(k, r)
	}
}

func emptied(name string) *Resource {
	r := pack(EndpointType, name, &endpointv3.ClusterLoadAssignment{ClusterName: name})
	r.gone = true
	return &r
}

func (s *store) entry(k key) *entry {
	e := s.entries[k]
	if e == nil {
		e = &entry{subscribers: map[*mailbox]struct{}{}}
		s.entries[k] = e
	}
	return e
}

// tidy forgets an entry that nobody needs.
func (s *store) tidy(k key, e *entry) {
	if len(e.subscribers) == 0 && (e.current == nil || e.current.gone) {
		delete(s.entries, k)
	}
}

// subscribe changes what a stream is told of, and puts the present state of what it added into its
// mailbox.
func (s *store) subscribe(box *mailbox, in interest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(box, in.kind, in.drop)
	for _, name := range in.add {
		k := key{in.kind, name}
		e := s.entry(k)
		e.subscribers[box] = struct{}{}
		box.put(k, e.current)
	}
	if in.stopAll {
		delete(s.all[in.kind], box)
	}
	if in.startAll {
		s.all[in.kind][box] = struct{}{}
		for k, e := range s.entries {
			if k.kind == in.kind && e.current != nil {
				box.put(k, e.current)
			}
		}
	}
}

func (s *store) drop(box *mailbox, kind kind, names []string) {
	for _, name := range names {
		k := key{kind, name}
		if e := s.entries[k]; e != nil {
			delete(e.subscribers, box)
			s.tidy(k, e)
		}
	}
}

// leave ends all that a stream subscribes to.
func (s *store) leave(box *mailbox, ins []interest) {
	for _, in := range ins {
		s.subscribe(box, in)
	}
}

// take returns what changed for a stream since the last call.
func (s *store) take(box *mailbox) map[key]*Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := box.changed
	box.changed = map[key]*Resource{}
	return changed
}

func (b *mailbox) put(k key, r *Resource) {
	b.changed[k] = r
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// same reports whether both have the same content.
func same(a, b *Resource) bool {
	return a == b || a != nil && b != nil && a.Version == b.Version
}
