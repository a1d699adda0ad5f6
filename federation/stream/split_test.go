package stream

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// aboutOnePart is what a part may take before compression; a record that is larger goes alone.
const aboutOnePart = 1 << 20

// cut is a conversation in which the whole set of east is on the way, in parts, with heartbeats between all frames.
func cut(t *testing.T, set []*federation.Export) (*end, *end) {
	t.Helper()
	a, b := talk(newStore("east", set...), newStore("west"))
	a.receive(t)
	for a.send(t) {
		a.beat(t)
	}
	return a, b
}

// A huge first set goes out in parts, each of which is read at once: while one is, nothing else is.
func TestAHugeSetGoesInParts(t *testing.T) {
	a, b := cut(t, many("east", 10_000))
	parts := b.messages(t)
	if len(parts) < 4 {
		t.Errorf("%d parts", len(parts))
	}
	for i, m := range parts {
		if n := proto.Size(m); n > aboutOnePart || m.GetUpdate().GetMore() != (i < len(parts)-1) {
			t.Errorf("part %d of %d: %d bytes, more %t", i+1, len(parts), n, m.GetUpdate().GetMore())
		}
	}
	a.settle(t)
	a.agrees(t)
	if n := b.session.receiver.takes["east"].repairs; n != 0 {
		t.Errorf("%d repairs", n)
	}
}

// The heartbeats between the parts tell of a version that is not there yet: that is no divergence.
func TestHeartbeatsBetweenPartsAreNoDivergence(t *testing.T) {
	set := many("east", 3_000)
	a, b := talk(newStore("east", set...), newStore("west"))
	a.settle(t)
	for i := range set {
		a.store.Set(flipped(set[i], 0))
	}
	a.exchanged()
	for a.send(t) {
		a.beat(t)
	}
	if list := b.updates(t); len(list) < 2 || !list[0].More || list[0].From.IsZero() {
		t.Fatalf("%d parts", len(list))
	}
	a.settle(t)
	if b.sent > 0 || b.session.receiver.takes["east"].repairs > 0 {
		t.Errorf("west answered with %d bytes", b.sent)
	}
	a.agrees(t)
}

// A stream that breaks between two parts is resumed where it broke: what came is not sent again.
func TestABrokenStreamBetweenPartsIsResumed(t *testing.T) {
	for about, before := range map[string][]*federation.Export{"a first set": nil, "a later set": many("east", 100)} {
		set := many("east", 8_000)
		a, b := talk(newStore("east", before...), newStore("west"))
		a.settle(t)
		a.store.Announce(2, set)
		a.exchanged()
		for len(b.store.NamesIn("shop")) < 4_000 {
			if !a.send(t) && !b.receive(t) && !b.send(t) && !a.receive(t) {
				t.Fatalf("%s: there were no parts", about)
			}
		}
		first := a.exchanged()
		if v := b.store.Version("east"); v.Term != 1 || len(b.store.NamesIn("shop")) == len(set) {
			t.Fatalf("%s: %d records at %s", about, len(b.store.NamesIn("shop")), v)
		}
		a.reconnect()
		a.settle(t)
		if rest := a.exchanged(); rest > first*5/4 {
			t.Errorf("%s: %d bytes before the break, %d after it", about, first, rest)
		}
		a.agrees(t)
	}
}

// Changes in the midst of a set's parts follow it, and a stream that broke there ends in agreement, too.
func TestChangesInTheMidstOfPartsFollow(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		set := many("east", 4_000)
		a, b := talk(newStore("east", set...), newStore("west"))
		a.receive(t)
		for range 3 {
			a.send(t)
			b.receive(t)
		}
		for i := range 4_000 {
			a.store.Set(flipped(set[i], 1))
		}
		a.store.Withdraw(set[0].Name)
		a.store.Withdraw(set[3_999].Name)
		if breaks {
			a.reconnect()
		}
		a.resettle(t)
		a.agrees(t)
	}
}

// Patches are cut into parts like records: many large ones do not make one message that nobody takes.
func TestPatchesGoInParts(t *testing.T) {
	var set, next []*federation.Export
	for i := range 300 {
		e := export("east", fmt.Sprintf("s-%d", i), addresses(20)...)
		e.Annotations = map[string]string{"pad": strings.Repeat("x", 15<<10)}
		set, next = append(set, e), append(next, flipped(e, 0))
	}
	a, b := talk(newStore("east", set...), newStore("west"))
	a.settle(t)
	for _, e := range next {
		a.store.Set(e)
	}
	a.store.Withdraw(set[0].Name)
	for a.send(t) {
	}
	list := b.updates(t)
	if len(list) < 4 {
		t.Fatalf("%d parts", len(list))
	}
	for i, u := range list {
		last := i == len(list)-1
		if len(u.Patched) == 0 || len(u.Put) > 0 || u.More == last || (len(u.Withdrawn) > 0) != last {
			t.Errorf("part %d: %d patches, more %t", i, len(u.Patched), u.More)
		}
	}
	a.settle(t)
	a.agrees(t)
}

// A peer that asks anew in the middle of an update gets a new one from its start.
func TestHashesBreakOffTheUpdate(t *testing.T) {
	a, b := talk(newStore("east", many("east", 8_000)...), newStore("west"))
	a.receive(t)
	a.send(t)
	a.send(t)
	a.inbox = []*wire.Frame{tells(t, "east")}
	a.receive(t)
	for a.send(t) {
	}
	ended := 0
	for _, u := range b.updates(t) {
		if !u.More {
			ended++
		}
	}
	if ended != 1 {
		t.Errorf("%d updates to the end, want that which was begun anew", ended)
	}
	a.settle(t)
	a.agrees(t)
	b.agrees(t)
}

// What is larger than any message goes out as its hash alone: the others go on, and the stream lives.
func TestARecordTooLargeForAnyMessageIsToldByItsHash(t *testing.T) {
	huge := export("east", "huge", addresses(80_000)...)
	for i := range huge.Subsets[0].Endpoints {
		huge.Subsets[0].Endpoints[i].Zone = strings.Repeat("z", 250)
		huge.Subsets[0].Endpoints[i].Region = strings.Repeat("r", 250)
	}
	good := export("east", "web", "10.0.0.1")
	a, b := talk(newStore("east", huge, good), newStore("west"))
	a.resettle(t)
	if sizeOf(huge) <= maxRecord || b.store.Head("east") != a.store.Head("east") {
		t.Fatalf("%d bytes; %+v", sizeOf(huge), b.store.Head("east"))
	}
	if u := holds(b.store, "east"); len(u.Put) != 1 || !u.Put[0].Equal(good) || len(u.Unread) != 1 || u.Unread[0].Name != huge.Name {
		t.Errorf("held: %+v", u)
	}
	a.store.Set(flipped(huge, 0))
	a.resettle(t)
	if b.store.Head("east") != a.store.Head("east") {
		t.Errorf("after a change: %+v", b.store.Head("east"))
	}
}

// No frame is larger than 64 KiB, whatever the record, and all but the last of a message are nearly full.
func TestNoFrameIsLargerThan64KiB(t *testing.T) {
	huge := export("east", "huge", addresses(50_000)...)
	for i := range huge.Subsets[0].Endpoints {
		huge.Subsets[0].Endpoints[i].Zone = fmt.Sprintf("%x", i*i*i*7919) // hard to compress
	}
	huge.Annotations = map[string]string{"pad": strings.Repeat("x", 15<<10)}
	s := NewSession(newStore("east", huge), "west", Peer, epoch)
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for f, err := s.Next(); f != nil || err != nil; f, err = s.Next() {
		if err != nil {
			t.Fatal(err)
		}
		size := proto.Size(f)
		if size > maxFrame || !f.GetChunk().GetLast() && size < chunkSize || f.GetChunk().GetFirst() != (len(sizes) == 0) {
			t.Fatalf("frame %d: %d bytes", len(sizes), size)
		}
		sizes = append(sizes, size)
	}
	if len(sizes) < 10 || slices.Max(sizes) < chunkSize {
		t.Errorf("%d frames, the largest %d", len(sizes), slices.Max(sizes))
	}
}
