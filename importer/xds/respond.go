package xds

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"
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
}

// next returns the next response that may be sent now, or nil. At most one of a type is on its way. What a service needs comes before what
// leads to it, and goes after it:
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

// respond makes a response under a nonce of its own. The version names its content.
func (s *session) respond(k kind, fill func(*session, *response)) *response {
	t := &s.types[k]
	r := &response{kind: k, delta: s.delta, nonce: s.nonce()}
	fill(s, r)
	r.version, r.size = r.hash(), r.measure()
	t.nonce, t.version, t.size, t.unacked, t.due = r.nonce, r.version, r.size, true, false
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

// measure returns the size of the message, about.
func (r *response) measure() int {
	size := r.room()
	for _, b := range r.bodies {
		size += b.size + len(b.name) + len(b.version) + len(typeURLs[r.kind]) + 32
	}
	return size
}

func (r *response) hash() string {
	if len(r.bodies) == 1 && len(r.removed) == 0 && r.delta {
		return r.bodies[0].version
	}
	hash := fnv.New64a()
	for _, b := range r.bodies {
		_, _ = hash.Write([]byte(b.name + "\x00" + b.version + "\x00"))
	}
	for _, name := range r.removed {
		_, _ = hash.Write([]byte("\x00" + name + "\x00"))
	}
	return strconv.FormatUint(hash.Sum64(), 16)
}

// additions fills a response with what came, and ends nothing.
func (s *session) additions(r *response) {
	t := &s.types[r.kind]
	if s.delta || !r.kind.whole() {
		s.come(r)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(t.items)) {
		switch it := t.items[name]; {
		case it.newest != nil:
			r.bodies = append(r.bodies, it.newest)
			s.send(r.kind, it)
		case it.sent != nil: // it is about to go
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
	for _, it := range t.going.sorted() {
		if it.newest != nil {
			r.bodies = append(r.bodies, it.newest)
		} else if s.delta {
			r.removed = append(r.removed, it.name)
		}
		s.send(r.kind, it)
	}
	if !s.delta && r.kind.whole() {
		r.bodies = nil
		for _, name := range slices.Sorted(maps.Keys(t.items)) {
			if it := t.items[name]; it.newest != nil {
				r.bodies = append(r.bodies, it.newest)
			}
		}
	}
}

// come fills a response with what came or changed, at least one item and no more than fit; the others wait for the next
// response, unless the kind must be whole.
func (s *session) come(r *response) {
	t := &s.types[r.kind]
	size := 0
	for _, it := range t.coming.sorted() {
		if it.newest == nil {
			r.removed = append(r.removed, it.name)
			s.send(r.kind, it)
			continue
		}
		if size += it.newest.size; size > maxResponse && len(r.bodies) > 0 && (s.delta || !r.kind.whole()) {
			break
		}
		r.bodies = append(r.bodies, it.newest)
		s.send(r.kind, it)
	}
}

// send marks the newest state of an item as sent. After its cluster an assignment is sent again.
func (s *session) send(k kind, it *item) {
	renewed := k == clusterKind && it.newest != nil && !same(it.newest, it.sent)
	it.sent, it.owed = it.newest, false
	s.types[k].settle(it)
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
