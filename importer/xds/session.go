package xds

import (
	"maps"
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The bounds of what one stream may subscribe to.
const (
	maxNames      = 10_000 // of all types together
	maxNameLength = 512
)

// session is what one client is told, without the stream to it: requests and changes go in, responses
// come out. It is of one goroutine and knows no clock: the same input gives the same output.
//
// It speaks the state-of-the-world variant. At most one response of a type is on its way; what changes
// meanwhile waits for the acknowledgement, and the newest state is sent then.
type session struct {
	types  [kinds]subscriptions
	nonces uint64
}

// subscriptions are what a client wants of one type, and what it has.
type subscriptions struct {
	items   map[string]*item
	changed map[string]*item // the items whose newest content was not sent

	asked    bool   // a request came
	named    bool   // a request with names came: one without is no wildcard any more
	wildcard bool   // the client wants every resource of the type
	due      bool   // the first request must be answered, also if there is nothing to tell
	requests uint64 // so far, but for those that wanted all
	nonce    string // of the last response
	unacked  bool   // the last response was not answered
}

// item is one resource that the client wants.
type item struct {
	newest, sent *Resource
	request      uint64 // the last one that named it
}

// interest is a change of what a stream subscribes to: names that it drops, then names that it adds, or
// all of a type.
type interest struct {
	kind              kind
	drop, add         []string
	stopAll, startAll bool
}

func newSession() *session {
	s := &session{}
	for k := range s.types {
		s.types[k].items, s.types[k].changed = map[string]*item{}, map[string]*item{}
	}
	return s
}

// acknowledge takes from a request whether the client took the last response of the type; refused is
// true when it did not. What was refused is not sent again: the client keeps what it had until the
// content changes. A request with an older nonce crossed the last response and says nothing of it.
func (s *session) acknowledge(k kind, req *discoveryv3.DiscoveryRequest) (refused bool) {
	t := &s.types[k]
	if !t.unacked || req.GetResponseNonce() != t.nonce {
		return false
	}
	t.unacked = false
	return req.GetErrorDetail() != nil
}

// subscribe takes from a request what the client wants, also from one with an older nonce: requests come
// in order, so the last one says what is wanted now. The error is a gRPC status that ends the stream.
func (s *session) subscribe(k kind, names []string) (interest, error) {
	if err := s.check(k, names); err != nil {
		return interest{}, err
	}
	t := &s.types[k]
	t.due = t.due || !t.asked
	t.asked, t.named = true, t.named || len(names) > 0
	all := k != assignmentKind && (!t.named || slices.Contains(names, "*"))
	if all {
		return t.wantAll(k), nil
	}
	return t.want(k, names), nil
}

func (s *session) check(k kind, names []string) error {
	total := len(names)
	for other := range s.types {
		if kind(other) != k && !s.types[other].wildcard {
			total += len(s.types[other].items)
		}
	}
	if total > maxNames {
		return status.Errorf(codes.ResourceExhausted, "%d resource names on one stream: want at most %d", total, maxNames)
	}
	for _, name := range names {
		if len(name) > maxNameLength {
			return status.Errorf(codes.InvalidArgument, "resource name of %d bytes: want at most %d", len(name), maxNameLength)
		}
	}
	return nil
}

// wantAll subscribes to the wildcard, which covers all names.
func (t *subscriptions) wantAll(k kind) interest {
	if t.wildcard {
		return interest{kind: k}
	}
	t.wildcard = true
	return interest{kind: k, startAll: true, drop: slices.Collect(maps.Keys(t.items))}
}

// want subscribes to exactly these names. One that was dropped and comes again is sent again. Clients
// repeat all their names in every request, so what stays as it is costs nothing but the look.
func (t *subscriptions) want(k kind, names []string) interest {
	in := interest{kind: k, stopAll: t.wildcard}
	t.requests++
	wanted := 0
	for _, name := range names {
		it := t.items[name]
		if it == nil {
			it = &item{}
			t.items[name] = it
			in.add = append(in.add, name)
		} else if it.request == t.requests {
			continue
		} else if t.wildcard {
			in.add = append(in.add, name)
		}
		it.request = t.requests
		wanted++
	}
	if wanted < len(t.items) {
		in.drop = t.sweep()
	}
	t.wildcard = false
	return in
}

// sweep forgets what the last request did not name, and returns which names of it were subscribed to.
func (t *subscriptions) sweep() (dropped []string) {
	for name, it := range t.items {
		if it.request == t.requests {
			continue
		}
		delete(t.items, name)
		delete(t.changed, name)
		if !t.wildcard {
			dropped = append(dropped, name)
		}
	}
	return dropped
}

// end returns the end of everything that the session subscribes to.
func (s *session) end() []interest {
	var ins []interest
	for k := range s.types {
		if s.types[k].asked {
			ins = append(ins, s.types[k].want(kind(k), nil))
		}
	}
	return ins
}

// update takes what changed. An assignment has no end of its own: the client drops it with its cluster.
func (s *session) update(changes map[key]*Resource) {
	for k, r := range changes {
		if r == nil && k.kind == assignmentKind {
			continue
		}
		t := &s.types[k.kind]
		it := t.items[k.name]
		if it == nil && t.wildcard {
			it = &item{}
			t.items[k.name] = it
		}
		if it != nil {
			it.newest = r
			t.settle(k.name, it)
		}
	}
}

// settle records whether the client has the newest content of an item.
func (t *subscriptions) settle(name string, it *item) {
	if same(it.newest, it.sent) {
		delete(t.changed, name)
	} else {
		t.changed[name] = it
	}
	if t.wildcard && it.newest == nil && it.sent == nil {
		delete(t.items, name)
	}
}
