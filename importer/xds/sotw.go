package xds

import (
	"maps"
	"slices"
)

// restate takes a request of the state-of-the-world variant: it names all that the client wants.
func (t *subscriptions) restate(r request) interest {
	t.named = t.named || len(r.names) > 0
	if r.kind.whole() && (!t.named || slices.Contains(r.names, wildcard)) {
		return t.wantAll(r.kind)
	}
	return t.want(r.kind, r.names)
}

// wildcard is the name that stands for all of a type.
const wildcard = "*"

// wantAll subscribes to the wildcard, which covers all names.
func (t *subscriptions) wantAll(k kind) interest {
	if t.wildcard {
		return interest{kind: k}
	}
	t.wildcard = true
	t.retell(k)
	for _, it := range t.items {
		it.request = 0
	}
	return interest{kind: k, startAll: true, drop: slices.Collect(maps.Values(t.items))}
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
			it = &item{name: name}
			t.items[name] = it
			in.add = append(in.add, it)
			t.retell(k)
		} else if it.request == t.requests {
			continue
		} else if t.wildcard {
			in.add = append(in.add, it)
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

// retell makes the whole be told once more where a response is on its way: it may tell of a name that the client dropped and
// now wants again, and that went meanwhile.
func (t *subscriptions) retell(k kind) { t.due = t.due || t.unacked && k.whole() }

// sweep forgets what the last request did not name, and returns what of it was subscribed to by name.
func (t *subscriptions) sweep() (dropped []*item) {
	for _, it := range t.items {
		if it.request == t.requests {
			continue
		}
		t.forget(it)
		if !t.wildcard {
			dropped = append(dropped, it)
		}
	}
	return dropped
}

// forget drops an item, and so does the client.
func (t *subscriptions) forget(it *item) {
	delete(t.items, it.name)
	it.unmark()
	t.hold(it.sent, nil)
}

// hold notes that the client has one body instead of another, without a response.
func (t *subscriptions) hold(was, is *body) {
	took := t.acked == t.state
	if t.state.swap(was, is); took {
		t.acked = t.state
	}
}
