package xds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
)

// reader is a client that takes all clusters and listeners, and the assignments of its clusters. It
// reads and acknowledges when it likes.
type reader struct {
	*talk
	has     [kinds]map[string]string // name to what it last read
	unread  []*discoveryv3.DiscoveryResponse
	answers []*discoveryv3.DiscoveryRequest
	follows []string
}

func newReader(t *testing.T, s *store) *reader {
	r := &reader{talk: newTalk(t, s)}
	for k := range r.has {
		r.has[k] = map[string]string{}
	}
	r.tell(&discoveryv3.DiscoveryRequest{TypeUrl: ClusterType})
	r.tell(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType})
	return r
}

func (r *reader) tell(req *discoveryv3.DiscoveryRequest) {
	k, _ := kindOf(req.GetTypeUrl())
	r.session.acknowledge(k, req)
	in, err := r.session.subscribe(k, req.GetResourceNames())
	if err != nil {
		r.t.Fatal(err)
	}
	r.store.subscribe(r.mailbox, in)
	r.wake()
}

func (r *reader) wake() {
	r.session.update(r.store.take(r.mailbox))
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
	k, _ := kindOf(resp.GetTypeUrl())
	if k != assignmentKind {
		clear(r.has[k])
	}
	for _, b := range resp.GetResources() {
		name, version, ok := strings.Cut(string(b.GetValue()), "@")
		if ok { // else the empty assignment of a cluster that goes
			r.has[k][name] = version
		}
	}
	for name := range r.has[listenerKind] {
		if r.has[clusterKind][name] == "" {
			r.t.Fatalf("listener %s without its cluster", name)
		}
	}
	answer := &discoveryv3.DiscoveryRequest{TypeUrl: resp.GetTypeUrl(), ResponseNonce: resp.GetNonce()}
	switch k {
	case clusterKind:
		r.answers = append(r.answers, answer)
		r.follow(resp)
	case assignmentKind:
		answer.ResourceNames = r.follows
		r.answers = append(r.answers, answer)
	case listenerKind:
		answer.ErrorDetail = &rpcstatus.Status{Message: "refused for once"}
		r.answers = append(r.answers, answer)
	}
}

// follow asks for the assignments of the clusters.
func (r *reader) follow(resp *discoveryv3.DiscoveryResponse) {
	r.follows = slices.Sorted(maps.Keys(r.has[clusterKind]))
	for name := range r.has[assignmentKind] {
		if r.has[clusterKind][name] == "" {
			delete(r.has[assignmentKind], name)
		}
	}
	r.answers = append(r.answers, &discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: r.follows, ResponseNonce: resp.GetNonce()})
}

func (r *reader) answer() {
	if len(r.answers) > 0 {
		req := r.answers[0]
		r.answers = r.answers[1:]
		r.tell(req)
	}
}

// TestAnySlowReaderEndsWithTheNewestState plays changes, reading and acknowledging in any order. A
// listener never leads to a cluster that is not there; in the end the client has all, and just that.
func TestAnySlowReaderEndsWithTheNewestState(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		s := newStore()
		r := newReader(t, s)
		want := map[string][kinds]string{}
		for step := range 200 {
			switch rnd.IntN(4) {
			case 0:
				change(rnd, s, want, step)
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
		for k := range kinds {
			expected := map[string]string{}
			for name, versions := range want {
				expected[name] = versions[k]
			}
			if !maps.Equal(r.has[k], expected) {
				t.Fatalf("seed %d: %s: client has %v, want %v", seed, typeURLs[k], r.has[k], expected)
			}
		}
		r.store.leave(r.mailbox, r.session.end())
		if len(s.entries) != len(want)*int(kinds) || len(s.all[clusterKind])+len(s.all[listenerKind]) > 0 {
			t.Fatalf("seed %d: %d entries of %d services, %d and %d streams left", seed, len(s.entries), len(want), len(s.all[clusterKind]), len(s.all[listenerKind]))
		}
	}
}

// change makes up to three services come, change or go in one step.
func change(rnd *rand.Rand, s *store, want map[string][kinds]string, step int) {
	all := map[key]*Resource{}
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
			want[name] = [kinds]string{version, version, version}
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
	<-api.mailbox.wake
	s.apply(at(assignmentKind, "web", "2"))
	s.apply(at(assignmentKind, "api", "1"))
	if len(web.mailbox.changed) != 1 || len(api.mailbox.changed) != 0 || len(api.mailbox.wake) != 0 {
		t.Errorf("told %d and %d changes, want 1 and none", len(web.mailbox.changed), len(api.mailbox.changed))
	}
}
