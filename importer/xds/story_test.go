package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// reader is a client that takes all clusters and listeners, and the assignments of its clusters. It
// reads and acknowledges when it likes.
type reader struct {
	*talk
	has     [kinds]map[string]string // name to what it last read
	unread  []*response
	answers []request
	follows []string
}

func newReader(t *testing.T, s *store, delta bool) *reader {
	r := &reader{talk: newTalk(t, s)}
	r.session = newSession(delta, counting())
	for k := range r.has {
		r.has[k] = map[string]string{}
	}
	r.say(request{kind: clusterKind})
	r.say(request{kind: listenerKind})
	return r
}

func (r *reader) say(req request) {
	r.tell(req)
	r.wake()
}

func (r *reader) wake() {
	r.update()
	for resp := r.session.next(); resp != nil; resp = r.session.next() {
		r.unread = append(r.unread, resp)
	}
}

// read takes the oldest response and makes the answer to it.
func (r *reader) read() {
	if len(r.unread) == 0 {
		return
	}
	resp := r.unread[0]
	r.unread = r.unread[1:]
	k := resp.kind
	if k != assignmentKind && !resp.delta {
		clear(r.has[k])
	}
	for _, name := range resp.removed {
		delete(r.has[k], name)
	}
	for _, b := range resp.bodies {
		name, version, ok := strings.Cut(string(b.value()), "@")
		if ok { // else the empty assignment of a cluster that goes
			r.has[k][name] = version
		}
	}
	for name := range r.has[listenerKind] {
		if r.has[clusterKind][name] == "" {
			r.t.Fatalf("listener %s without its cluster", name)
		}
	}
	answer := request{kind: k, nonce: resp.nonce}
	switch k {
	case clusterKind:
		r.answers = append(r.answers, answer)
		r.follow(resp)
	case assignmentKind:
		if !resp.delta {
			answer.names = r.follows
		}
		r.answers = append(r.answers, answer)
	case listenerKind:
		answer.refused = true
		r.answers = append(r.answers, answer)
	}
}

// follow asks for the assignments of the clusters.
func (r *reader) follow(resp *response) {
	before := r.follows
	r.follows = slices.Sorted(maps.Keys(r.has[clusterKind]))
	for name := range r.has[assignmentKind] {
		if r.has[clusterKind][name] == "" {
			delete(r.has[assignmentKind], name)
		}
	}
	if resp.delta {
		r.answers = append(r.answers, request{kind: assignmentKind, subscribe: without(r.follows, before), unsubscribe: without(before, r.follows)})
	} else {
		r.answers = append(r.answers, request{kind: assignmentKind, names: r.follows, nonce: resp.nonce})
	}
}

// without returns the names of a that are not in b.
func without(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(name string) bool { return slices.Contains(b, name) })
}

func (r *reader) answer() {
	if len(r.answers) > 0 {
		req := r.answers[0]
		r.answers = r.answers[1:]
		r.say(req)
	}
}

// TestAnySlowReaderEndsWithTheNewestState plays changes, reading and acknowledging in any order. A
// listener never leads to a cluster that is not there; in the end the client has all, and just that.
func TestAnySlowReaderEndsWithTheNewestState(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		s := newStore()
		r := newReader(t, s, seed%2 == 1)
		want := map[string][kinds]string{}
		for step := range 200 {
			switch rnd.IntN(4) {
			case 0:
				alter(rnd, s, want, step)
				r.wake()
			case 1, 2:
				r.read()
			case 3:
				r.answer()
			}
		}
		for len(r.unread)+len(r.answers) > 0 {
			r.read()
			r.answer()
		}
		for _, k := range []kind{clusterKind, assignmentKind, listenerKind} {
			expected := map[string]string{}
			for name, versions := range want {
				expected[name] = versions[k]
			}
			if !maps.Equal(r.has[k], expected) {
				t.Fatalf("seed %d: %s: client has %v, want %v", seed, typeURLs[k], r.has[k], expected)
			}
		}
		r.store.leave(r.mailbox, r.session.end())
		if len(s.every()) != len(want)*3 || len(s.all[clusterKind])+len(s.all[listenerKind]) > 0 {
			t.Fatalf("seed %d: %d entries of %d services, %d and %d streams left", seed, len(s.every()), len(want), len(s.all[clusterKind]), len(s.all[listenerKind]))
		}
	}
}

// alter makes up to three services come, change or go in one step.
func alter(rnd *rand.Rand, s *store, want map[string][kinds]string, step int) {
	all := map[key]*resource{}
	for range 1 + rnd.IntN(3) {
		name, version := fmt.Sprintf("w%d", rnd.IntN(4)), fmt.Sprint(step)
		versions, here := want[name]
		switch {
		case here && rnd.IntN(2) == 0:
			delete(want, name)
			version = ""
			maps.Copy(all, service(name, version))
		case here:
			versions[assignmentKind] = version
			want[name] = versions
			maps.Copy(all, at(assignmentKind, name, version))
		default:
			want[name] = [kinds]string{version, version, version, ""}
			maps.Copy(all, service(name, version))
		}
	}
	s.apply(all)
}

func TestAChangeConcernsOnlyItsSubscribers(t *testing.T) {
	s := newStore()
	s.apply(service("web", "1"))
	s.apply(service("api", "1"))
	web, api := newTalk(t, s), newTalk(t, s)
	web.ask(assignmentKind, "", "web")
	api.ask(assignmentKind, "", "api")
	rung := 0
	api.mailbox.ring = func() { rung++ }
	s.apply(at(assignmentKind, "web", "2"))
	s.apply(at(assignmentKind, "api", "1"))
	if len(web.mailbox.changed) != 1 || len(api.mailbox.changed) != 0 || rung != 0 {
		t.Errorf("told %d and %d changes, want 1 and none", len(web.mailbox.changed), len(api.mailbox.changed))
	}
}
