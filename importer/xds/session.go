package xds

import (
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The bounds of what one stream may subscribe to.
const (
	maxNames      = 100_000 // of all types together
	maxNameLength = 512
)

// session is what one client is told, without the stream to it: requests and changes go in, responses
// come out. It is of one goroutine and knows no clock: the same input gives the same output.
//
// It speaks both variants: the state of the world, where a client repeats all its names and a response of a kind that is
// whole ends what it leaves out, and the incremental one. At most one response of a type is on its way; what changes
// meanwhile waits for the acknowledgement, and the newest state is sent then.
type session struct {
	delta  bool
	types  [kinds]subscriptions
	nonces uint64
	// warming are the clusters that were sent and whose assignments were not sent after them. Envoy uses such a cluster
	// only then, so routes to it wait; it asks for the assignment when it has the cluster.
	warming map[string]struct{}
}

// subscriptions are what a client wants of one type, and what it has.
type subscriptions struct {
	items map[string]*item
	// coming and going are the items whose newest state was not sent: those that there are, or that the client is to be
	// told never were; and those that there are not any more.
	coming, going marks

	asked    bool   // a request came
	named    bool   // a request with names came: one without is no wildcard any more
	wildcard bool   // the client wants every resource of the type
	due      bool   // the first request must be answered, also if there is nothing to tell
	requests uint64 // so far, but for those that wanted all
	byName   int    // items that a request of the incremental variant named, also where the wildcard covers them
	nonce    string // of the last response
	version  string // of the last response
	acked    string // version of the last response that the client took
	unacked  bool   // the last response was not answered
}

// marks are some items by name, mostly none or one; nil while there is none, because a map that was large once takes as
// long to go through as if it still were.
type marks map[string]*item

func (m *marks) set(name string, it *item) {
	if *m == nil {
		*m = marks{}
	}
	(*m)[name] = it
}

// names returns the names in order.
func (m marks) names() []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (m *marks) clear(name string) {
	if delete(*m, name); len(*m) == 0 {
		*m = nil
	}
}

// item is one resource that the client wants.
type item struct {
	newest, sent *body
	request      uint64 // the last one that named it; of the incremental variant 0 where only the wildcard covers it
	withheld     bool   // there is something newer that is not told: the client keeps what it has
	owed         bool   // the client is to be told even what it has, or that there is nothing
}

// request is what a client says of one type, in either variant.
type request struct {
	kind    kind
	nonce   string // of the response that it answers, "" for none
	refused bool   // it does not take that response

	names []string // state of the world: all that it wants

	subscribe, unsubscribe []string          // incremental: the difference
	has                    map[string]string // incremental, first request: versions of what it has from another stream
}

// interest is a change of what a stream subscribes to: names that it drops, then names that it adds, or
// all of a type.
type interest struct {
	kind              kind
	drop, add         []string
	stopAll, startAll bool
}

// empty reports whether nothing changes: most requests only acknowledge.
func (in interest) empty() bool { return len(in.drop)+len(in.add) == 0 && !in.stopAll && !in.startAll }

func newSession(delta bool) *session {
	s := &session{delta: delta, warming: map[string]struct{}{}}
	for k := range s.types {
		t := &s.types[k]
		t.items = map[string]*item{}
	}
	return s
}

// acknowledge takes from a request whether the client took the last response of the type; refused is
// true when it did not. What was refused is not sent again: the client keeps what it had until the
// content changes. A request with an older nonce crossed the last response and says nothing of it.
func (s *session) acknowledge(r request) (refused bool) {
	t := &s.types[r.kind]
	if !t.unacked || r.nonce != t.nonce {
		return false
	}
	t.unacked = false
	if !r.refused {
		t.acked = t.version
	}
	return r.refused
}

// subscribe takes from a request what the client wants, also from one with an older nonce: requests come
// in order, so the last one says what is wanted now. The error is a gRPC status that ends the stream.
func (s *session) subscribe(r request) (interest, error) {
	if err := s.check(r); err != nil {
		return interest{}, err
	}
	t := &s.types[r.kind]
	first := !t.asked
	t.due, t.asked = t.due || first, true
	if s.delta {
		in := t.change(r, first)
		if first && r.kind == assignmentKind {
			s.warm()
		}
		return in, nil
	}
	return t.restate(r), nil
}

// warm makes the assignments of clusters that were sent be sent too, also those that the client says to have: it has had
// them for the clusters before.
func (s *session) warm() {
	t := &s.types[assignmentKind]
	for name := range s.warming {
		if it := t.items[name]; it != nil {
			it.owed = true
			t.settle(name, it)
		}
	}
}

func (s *session) check(r request) error {
	total := s.total(r)
	if total > maxNames {
		return status.Errorf(codes.ResourceExhausted, "%d resource names on one stream: want at most %d", total, maxNames)
	}
	for _, names := range [][]string{r.names, r.subscribe} {
		for _, name := range names {
			if len(name) > maxNameLength {
				return status.Errorf(codes.InvalidArgument, "resource name of %d bytes: want at most %d", len(name), maxNameLength)
			}
		}
	}
	return nil
}

// total returns how many names of all types the client wants after a request, where it drops none.
func (s *session) total(r request) int {
	n := len(r.names)
	for k := range s.types {
		t := &s.types[k]
		switch {
		case s.delta:
			n += t.byName
		case kind(k) != r.kind && !t.wildcard:
			n += len(t.items)
		}
	}
	for _, name := range r.subscribe {
		if it := s.types[r.kind].items[name]; it == nil || it.request == 0 {
			n++
		}
	}
	return n
}

// end returns the end of everything that the session subscribes to.
func (s *session) end() []interest {
	var ins []interest
	for k := range s.types {
		if t := &s.types[k]; t.asked {
			in := interest{kind: kind(k), stopAll: t.wildcard}
			for name := range t.items {
				in.drop = append(in.drop, name)
			}
			ins = append(ins, in)
		}
	}
	return ins
}

// update takes what a resource is now, nil for nothing. Of an assignment that is not there the state of the world says
// nothing: the client drops it with its cluster.
func (s *session) update(k key, b *body) {
	if b == nil && k.kind == assignmentKind && !s.delta {
		return
	}
	t := &s.types[k.kind]
	it := t.items[k.name]
	if it == nil && t.wildcard {
		it = &item{}
		t.items[k.name] = it
	}
	if it != nil {
		it.newest, it.withheld = b, false
		t.settle(k.name, it)
	}
}

// keep leaves a client with what it has of a resource that is there and is not told, until the next update.
func (s *session) keep(k key) {
	t := &s.types[k.kind]
	it := t.items[k.name]
	if it == nil && t.wildcard {
		it = &item{}
		t.items[k.name] = it
	}
	if it != nil {
		it.withheld = true
		t.settle(k.name, it)
	}
}

// settle records whether the client has the newest state of an item.
func (t *subscriptions) settle(name string, it *item) {
	t.coming.clear(name)
	t.going.clear(name)
	switch {
	case it.withheld:
	case it.newest == nil && it.sent != nil:
		t.going.set(name, it)
	case it.newest == nil && it.owed:
		t.coming.set(name, it)
	case it.newest == nil && it.request == 0:
		delete(t.items, name)
	case it.newest == nil || same(it.newest, it.sent) && !it.owed:
	case it.newest.gone:
		t.going.set(name, it)
	default:
		t.coming.set(name, it)
	}
}

// pending reports whether there is anything to tell.
func (t *subscriptions) pending() bool { return t.due || len(t.coming)+len(t.going) > 0 }

// grows reports whether there is anything to tell but ends.
func (t *subscriptions) grows() bool { return t.due || len(t.coming) > 0 }
