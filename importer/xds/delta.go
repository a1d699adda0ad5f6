package xds

import "slices"

// change takes a request of the incremental variant: what the client wants from now on, and what not any more. With its first
// request of a type it may say what it has from another stream, of us or of our sibling: versions are hashes, so what is
// the same there is not sent again.
func (t *subscriptions) change(r request, first bool) interest {
	in := interest{kind: r.kind}
	if first {
		t.recall(r.has)
	}
	if first && len(r.subscribe) == 0 && r.kind.whole() || r.kind != assignmentKind && slices.Contains(r.subscribe, wildcard) {
		in.startAll, t.wildcard = !t.wildcard, true
	}
	t.requests++
	for _, name := range r.unsubscribe {
		t.unwant(name, &in)
	}
	for _, name := range r.subscribe {
		if name != wildcard {
			in.add = append(in.add, t.add(name, first))
		}
	}
	if first && !t.wildcard {
		for _, it := range t.items {
			if it.request == 0 {
				t.forget(it)
			}
		}
	}
	return in
}

// recall notes what the client has from another stream.
func (t *subscriptions) recall(has map[string]string) {
	for name, version := range has {
		if len(t.items) == maxNames {
			return // it is sent the others once more
		}
		if len(name) > maxNameLength {
			continue
		}
		it := &item{name: name, sent: newBody(name, version)}
		t.items[name] = it
		t.hold(nil, it.sent)
		t.settle(it)
	}
}

// add subscribes to a name. The client is told what there is, or that there is nothing; if it has the name already, once
// more, because who asks again may have forgotten.
func (t *subscriptions) add(name string, first bool) *item {
	it := t.items[name]
	if it == nil {
		it = &item{name: name}
		t.items[name] = it
	}
	if it.request == 0 {
		t.byName++
	}
	it.owed = it.sent == nil || !first
	it.request = t.requests
	t.settle(it)
	return it
}

// unwant ends the subscription to a name. What the wildcard still covers is told once more, as the protocol has it.
func (t *subscriptions) unwant(name string, in *interest) {
	it := t.items[name]
	switch {
	case name == wildcard:
		in.stopAll, in.startAll, t.wildcard = in.stopAll || t.wildcard && !in.startAll, false, false
		for _, it := range t.items {
			if it.request == 0 {
				t.forget(it)
			}
		}
	case it == nil || it.request == 0:
	case t.wildcard:
		in.drop = append(in.drop, it)
		t.byName--
		it.request, it.owed = 0, true
		t.settle(it)
	default:
		in.drop = append(in.drop, it)
		t.byName--
		t.forget(it)
	}
}
