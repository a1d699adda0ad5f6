package xds

import "maps"

// The bounds of what one stream may subscribe to.
const (
	maxNames      = 50_000 // of all types together
	maxNameLength = 512
)

// session is what one client is told, without the stream to it: requests and changes go in, responses
// come out. It is of one goroutine and knows no clock: the same input gives the same output.
//
// It speaks both variants: the state of the world, where a client repeats all its names and a response of a kind that is
// whole ends what it leaves out, and the incremental one. At most one response of a type is on its way; what changes
// meanwhile waits for the acknowledgement, and the newest state is sent then.
type session struct {
	delta bool
	types [kinds]subscriptions
	nonce func() string // returns one that no response had yet
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
	state    state  // of what was sent
	acked    state  // of what the client took of that
	unacked  bool   // the last response was not answered
	size     int    // of the last response
}

// marks are some items, mostly none or one, in no order.
type marks []*item

// set adds an item that is among no marks.
func (m *marks) set(it *item) {
	it.marked, it.at = m, len(*m)
	*m = append(*m, it)
}

// unmark takes the item out of the marks that it is among, if any.
func (it *item) unmark() {
	m := it.marked
	if m == nil {
		return
	}
	last := len(*m) - 1
	(*m)[it.at] = (*m)[last]
	(*m)[it.at].at = it.at
	(*m)[last] = nil
	if *m = (*m)[:last]; last == 0 && cap(*m) > maxIdle {
		*m = nil
	}
	it.marked = nil
}

// item is one resource that the client wants.
type item struct {
	name         string
	sub          subscription // the store's
	newest, sent *body
	marked       *marks // coming or going, nil where it is in neither
	at           int    // where in marked it is
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

// interest is a change of what a stream subscribes to: first all of a type, then items that it drops and items that it adds
// by name, and at last no more all of the type.
type interest struct {
	kind              kind
	drop, add         []*item
	stopAll, startAll bool
}

// empty reports whether nothing changes: most requests only acknowledge.
func (in interest) empty() bool { return len(in.drop)+len(in.add) == 0 && !in.stopAll && !in.startAll }

func newSession(delta bool, nonce func() string) *session {
	s := &session{delta: delta, nonce: nonce, warming: map[string]struct{}{}}
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
		t.acked = t.state
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
	var in interest
	if s.delta {
		in = t.change(r, first)
	} else {
		in = t.restate(r)
	}
	switch {
	case r.kind == clusterKind && (len(in.drop) > 0 || in.stopAll): // nobody waits for a cluster that is not wanted any more
		maps.DeleteFunc(s.warming, func(name string, _ struct{}) bool { return t.items[name] == nil })
	case s.delta && first && r.kind == assignmentKind:
		s.warm()
	}
	return in, nil
}

// warm makes the assignments of clusters that were sent be sent too, also those that the client says to have: it has had
// them for the clusters before.
func (s *session) warm() {
	t := &s.types[assignmentKind]
	for name := range s.warming {
		if it := t.items[name]; it != nil {
			it.owed = true
			t.settle(it)
		}
	}
}

func (s *session) check(r request) error {
	if err := checkNames(s.total(r)); err != nil {
		return err
	}
	for _, names := range [][]string{r.names, r.subscribe} {
		for _, name := range names {
			if err := checkName(len(name)); err != nil {
				return err
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
			for _, it := range t.items {
				in.drop = append(in.drop, it)
			}
			ins = append(ins, in)
		}
	}
	return ins
}

// update takes what a resource is now, nil for nothing. Of an assignment that is not there the state of the world says
// nothing: the client drops it with its cluster.
func (s *session) update(k key, b *body) {
	if it := s.find(k); it != nil {
		s.renew(k.kind, it, b)
	}
}

// renew is update of an item that is at hand.
func (s *session) renew(k kind, it *item, b *body) {
	if b == nil && k == assignmentKind && !s.delta {
		return
	}
	it.newest, it.withheld = b, false
	s.types[k].settle(it)
}

// find returns an item that the client wants, nil for one that it does not.
func (s *session) find(k key) *item {
	t := &s.types[k.kind]
	it := t.items[k.name]
	if it == nil && t.wildcard {
		it = &item{name: k.name}
		t.items[k.name] = it
	}
	return it
}

// keep leaves a client with what it has of a resource that is there and is not told, until the next update.
func (s *session) keep(k key) {
	if it := s.find(k); it != nil {
		it.withheld = true
		s.types[k.kind].settle(it)
	}
}

// settle records whether the client has the newest state of an item.
func (t *subscriptions) settle(it *item) {
	it.unmark()
	switch {
	case it.withheld:
	case it.newest == nil && it.sent != nil:
		t.going.set(it)
	case it.newest == nil && it.owed:
		t.coming.set(it)
	case it.newest == nil && it.request == 0:
		delete(t.items, it.name)
	case it.newest == nil || same(it.newest, it.sent) && !it.owed:
	case it.newest.gone:
		t.going.set(it)
	default:
		t.coming.set(it)
	}
}

// pending reports whether there is anything to tell.
func (t *subscriptions) pending() bool { return t.due || len(t.coming)+len(t.going) > 0 }

// grows reports whether there is anything to tell but ends.
func (t *subscriptions) grows() bool { return t.due || len(t.coming) > 0 }
