package xds

import (
	"cmp"
	"maps"
	"slices"

	"google.golang.org/grpc/mem"
)

// maxResponse is how many bytes of resources one response holds, if there is more than one: gRPC clients refuse a message
// beyond 4 MiB. What must be whole cannot be spread over responses.
const maxResponse = 1 << 20

// response is one message to a client, in either variant.
type response struct {
	kind    kind
	version string
	nonce   string
	bodies  []*body
	delta   bool
	removed []string // of the incremental variant
	size    int      // in bytes, about

	usual struct { // room for one of a single body, of one memory with it
		bodies [1]*body
		pieces [3]mem.Buffer
		ends   [2]mem.SliceBuffer
	}
}

// next returns the next response that may be sent now, or nil. At most one of a type is on its way. What a service needs
// comes before what leads to it, and goes after it:
//
//  1. clusters that came or changed, beside those that are about to go;
//  2. assignments, again after their cluster was sent, because Envoy waits for them;
//  3. listeners, once nothing of 1 and 2 is left, and then routes, once the client has the assignment of each cluster;
//  4. the empty assignments of clusters that went, as Envoy may keep the last one;
//  5. clusters without those that went.
func (s *session) next() *response {
	k, fill, some := s.choose()
	if !some {
		return nil
	}
	return s.respond(k, fill)
}

// some reports whether there is a next response now.
func (s *session) some() bool {
	_, _, some := s.choose()
	return some
}

// choose returns of which kind the next response is, and what fills it.
func (s *session) choose() (k kind, fill func(*session, *response), some bool) {
	clusters, assignments := &s.types[clusterKind], &s.types[assignmentKind]
	switch {
	case clusters.grows() && !clusters.unacked:
		return clusterKind, (*session).additions, true
	case assignments.grows() && !assignments.unacked:
		return assignmentKind, (*session).additions, true
	case clusters.grows() || assignments.grows():
		return 0, nil, false
	}
	for _, k := range []kind{listenerKind, routeKind, assignmentKind, clusterKind} {
		if t := &s.types[k]; t.pending() {
			return k, (*session).changes, !t.unacked && (k != routeKind || len(s.warming) == 0)
		}
	}
	return 0, nil, false
}

// held reports whether routes wait for assignments that the client has not asked for yet.
func (s *session) held() bool { return s.types[routeKind].pending() && len(s.warming) > 0 }

// release ends that: the client asks for clusters alone.
func (s *session) release() { clear(s.warming) }

// respond makes a response under a nonce of its own. Its version is of all that the client has then: in every replica the same
// of the same.
func (s *session) respond(k kind, fill func(*session, *response)) *response {
	t := &s.types[k]
	r := &response{kind: k, delta: s.delta, nonce: s.nonce()}
	r.bodies = r.usual.bodies[:0]
	fill(s, r)
	r.version = t.state.version()
	if !s.delta && k.whole() {
		r.size = 0
		for _, b := range r.bodies {
			r.size += b.wire(k)
		}
	}
	t.nonce, t.size, t.unacked, t.due = r.nonce, r.size, true, false
	return r
}

// unread returns how many bytes of responses the client may not have read yet: it answers what it has read.
func (s *session) unread() (size int) {
	for k := range s.types {
		if t := &s.types[k]; t.unacked {
			size += t.size
		}
	}
	return size
}

// wire is how many bytes the body takes of a response, about.
func (b *body) wire(k kind) int {
	return b.size + len(b.name) + len(b.version) + len(typeURLs[k]) + 32
}

// additions fills a response with what came, and ends nothing.
func (s *session) additions(r *response) {
	if s.delta || !r.kind.whole() {
		s.come(r)
		return
	}
	s.whole(r)
}

// whole fills a response with all that the client is to have, where what it leaves out ends.
func (s *session) whole(r *response) {
	t := &s.types[r.kind]
	r.bodies = nil
	for _, name := range slices.Sorted(maps.Keys(t.items)) {
		switch it := t.items[name]; {
		case it.newest != nil && !it.withheld:
			r.bodies = append(r.bodies, it.newest)
			s.send(r.kind, it)
		case it.sent != nil: // it is about to go, or the client keeps it
			r.bodies = append(r.bodies, it.sent)
		}
	}
}

// changes fills a response with what came and with what ends.
func (s *session) changes(r *response) {
	t := &s.types[r.kind]
	if s.come(r); len(t.coming) > 0 {
		return // the rest, and the ends, come with the next one
	}
	s.fill(r, &t.going)
	if !s.delta && r.kind.whole() {
		s.whole(r)
	}
}

// come fills a response with what came or changed.
func (s *session) come(r *response) { s.fill(r, &s.types[r.kind].coming) }

// fill fills a response with items, in the order of their names, and marks them as sent: at least one, and no more than fit; the
// others wait for the next response, unless the kind must be whole. It costs what is sent, however much waits.
func (s *session) fill(r *response, from *marks) {
	whole := !s.delta && r.kind.whole()
	for len(*from) > 0 && (whole || r.size < maxResponse) {
		it := (*from)[len(*from)-1]
		if it.newest != nil {
			if !whole && r.size > 0 && r.size+it.newest.size > maxResponse {
				break
			}
			r.size += it.newest.wire(r.kind)
			r.bodies = append(r.bodies, it.newest)
		} else if s.delta {
			r.size += len(it.name) + 4
			r.removed = append(r.removed, it.name)
		}
		s.send(r.kind, it)
	}
	slices.SortFunc(r.bodies, func(a, b *body) int { return cmp.Compare(a.name, b.name) })
	slices.Sort(r.removed)
}

// send marks the newest state of an item as sent. After its cluster an assignment is sent again.
func (s *session) send(k kind, it *item) {
	renewed := k == clusterKind && it.newest != nil && !same(it.newest, it.sent)
	t := &s.types[k]
	t.state.swap(it.sent, it.newest)
	it.sent, it.owed = it.newest, false
	t.settle(it)
	if !renewed {
		if k == assignmentKind || k == clusterKind && it.sent == nil {
			delete(s.warming, it.name)
		}
		return
	}
	s.warming[it.name] = struct{}{}
	assignments := &s.types[assignmentKind]
	if it := assignments.items[it.name]; it != nil && it.newest != nil {
		it.owed = true
		assignments.settle(it)
	}
}
