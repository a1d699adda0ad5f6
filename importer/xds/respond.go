package xds

import (
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// maxResponse is how many bytes of assignments one response holds, if there is more than one: gRPC
// clients refuse a message beyond 4 MiB. Listeners and clusters cannot be spread over responses.
const maxResponse = 1 << 20

// next returns the next response that may be sent now, or nil. What a service needs comes before what
// leads to it, and goes after it:
//
//  1. clusters that came or changed, beside those that are about to go;
//  2. assignments, again after their cluster was sent, because Envoy waits for them;
//  3. listeners, once nothing of 1 and 2 is left;
//  4. the empty assignments of clusters that went, as Envoy may keep the last one;
//  5. clusters without those that went.
func (s *session) next() *discoveryv3.DiscoveryResponse {
	clusters, assignments, listeners := &s.types[clusterKind], &s.types[assignmentKind], &s.types[listenerKind]
	switch {
	case clusters.grows() && !clusters.unacked:
		return s.respond(clusterKind, s.allClusters())
	case assignments.grows() && !assignments.unacked:
		return s.respond(assignmentKind, assignments.someChanged((*item).comes))
	case clusters.grows() || assignments.grows() || listeners.pending() && listeners.unacked:
		return nil
	case listeners.pending():
		return s.respond(listenerKind, listeners.existing())
	case assignments.pending() && !assignments.unacked:
		return s.respond(assignmentKind, assignments.someChanged((*item).goes))
	case clusters.pending() && !assignments.pending() && !clusters.unacked:
		return s.respond(clusterKind, clusters.existing())
	}
	return nil
}

// respond sends the resources under a nonce of their own. The version names their content.
func (s *session) respond(k kind, list []*Resource) *discoveryv3.DiscoveryResponse {
	s.nonces++
	t := &s.types[k]
	t.nonce, t.unacked, t.due = strconv.FormatUint(s.nonces, 10), true, false
	hash := fnv.New64a()
	bodies := make([]*anypb.Any, 0, len(list))
	for _, r := range list {
		_, _ = hash.Write([]byte(r.Name + "\x00" + r.Version + "\x00"))
		bodies = append(bodies, r.Body)
	}
	return &discoveryv3.DiscoveryResponse{
		TypeUrl:     typeURLs[k],
		VersionInfo: strconv.FormatUint(hash.Sum64(), 16),
		Nonce:       t.nonce,
		Resources:   bodies,
	}
}

// allClusters returns the clusters that exist and those that the client is about to lose. What the
// client did not have like that needs its assignment again.
func (s *session) allClusters() []*Resource {
	t, assignments := &s.types[clusterKind], &s.types[assignmentKind]
	var list []*Resource
	for _, name := range slices.Sorted(maps.Keys(t.items)) {
		it := t.items[name]
		switch {
		case it.newest == nil && it.sent != nil:
			list = append(list, it.sent)
			continue
		case it.newest == nil:
			continue
		case !same(it.newest, it.sent):
			assignments.forget(name)
		}
		list = append(list, it.newest)
		t.markSent(name, it)
	}
	return list
}

// existing returns all that exists; what is not in it ends for the client.
func (t *subscriptions) existing() []*Resource {
	var list []*Resource
	for _, name := range slices.Sorted(maps.Keys(t.items)) {
		it := t.items[name]
		if it.newest != nil {
			list = append(list, it.newest)
		}
		t.markSent(name, it)
	}
	return list
}

// someChanged returns changed items that are chosen, at least one and no more than fit a response; the
// others stay changed.
func (t *subscriptions) someChanged(chosen func(*item) bool) []*Resource {
	var list []*Resource
	size := 0
	for _, name := range slices.Sorted(maps.Keys(t.changed)) {
		it := t.changed[name]
		if !chosen(it) {
			continue
		}
		if size += len(it.newest.Body.GetValue()); size > maxResponse && len(list) > 0 {
			break
		}
		list = append(list, it.newest)
		t.markSent(name, it)
	}
	return list
}

func (t *subscriptions) markSent(name string, it *item) {
	it.sent = it.newest
	t.settle(name, it)
}

// forget makes an item be sent again.
func (t *subscriptions) forget(name string) {
	if it := t.items[name]; it != nil {
		it.sent = nil
		t.settle(name, it)
	}
}

// pending reports whether there is anything to tell.
func (t *subscriptions) pending() bool { return t.due || len(t.changed) > 0 }

// grows reports whether there is anything to tell but ends.
func (t *subscriptions) grows() bool {
	if t.due {
		return true
	}
	for _, it := range t.changed {
		if it.comes() {
			return true
		}
	}
	return false
}

func (it *item) comes() bool { return !it.goes() }

func (it *item) goes() bool { return it.newest == nil || it.newest.gone }
