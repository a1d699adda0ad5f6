package stream

import (
	"cmp"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

func newStore(self federation.ClusterID, exports ...*federation.Export) *federation.Store {
	s := federation.NewStore(self)
	s.Announce(1, exports)
	return s
}

// end is one side of a conversation without a network: frames wait in the other side's inbox until the
// script delivers them.
type end struct {
	store   *federation.Store
	session *Session
	role    Role // of the other side
	inbox   []*wire.Frame
	peer    *end
	part    int                                            // about how many bytes are one part, 0 for as many as ever
	sent    int                                            // bytes, since the conversation began or the script last set it
	heard   func(from federation.ClusterID, f *wire.Frame) // notes each frame that comes, unless nil
}

// talk returns both ends of a new stream between two clusters, whose hellos are on the way.
func talk(a, b *federation.Store) (*end, *end) { return talkAs(a, b, Peer, Peer) }

// feed returns both ends of a new stream from a leader to its standby.
func feed(leader, standby *federation.Store) (*end, *end) {
	return talkAs(leader, standby, Standby, Leader)
}

// talkAs returns both ends of a new stream; y is what b is to a, and x the reverse.
func talkAs(a, b *federation.Store, y, x Role) (*end, *end) {
	near, far := &end{store: a, role: y}, &end{store: b, role: x}
	near.peer, far.peer = far, near
	near.reconnect()
	return near, far
}

// reconnect ends the stream, with all that is on the way, and begins a new one.
func (e *end) reconnect() {
	e.inbox, e.peer.inbox = nil, nil
	for _, e := range []*end{e, e.peer} {
		e.session = NewSession(e.store, e.peer.store.Self(), e.role, epoch)
		e.session.sender.part = cmp.Or(e.part, partSize)
		e.post(e.session.Hello())
	}
}

// post puts a frame on the way.
func (e *end) post(f *wire.Frame) {
	e.sent += proto.Size(f)
	e.peer.inbox = append(e.peer.inbox, f)
}

// send puts the next frame on the way and reports whether there was one.
func (e *end) send(t testing.TB) bool {
	t.Helper()
	f, err := e.session.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f != nil {
		e.post(f)
	}
	return f != nil
}

// beat puts a heartbeat on the way.
func (e *end) beat(t testing.TB) {
	t.Helper()
	f, err := e.session.Tick(epoch)
	if err != nil {
		t.Fatal(err)
	}
	e.post(f)
}

// take handles the next frame on the way, if there is one.
func (e *end) take() (refused []error, err error) {
	if len(e.inbox) == 0 {
		return nil, nil
	}
	f := e.inbox[0]
	e.inbox = e.inbox[1:]
	if e.heard != nil {
		e.heard(e.peer.store.Self(), f)
	}
	return e.session.Handle(f, epoch)
}

// receive handles the next frame on the way, which must be good, and reports whether there was one.
func (e *end) receive(t testing.TB) bool {
	t.Helper()
	waits := len(e.inbox) > 0
	if refused, err := e.take(); err != nil || len(refused) > 0 {
		t.Fatalf("%s, to whom the other is its %s: refused %v, error %v", e.store.Self(), e.role, refused, err)
	}
	return waits
}

// settle goes on until neither has anything to say.
func (e *end) settle(t testing.TB) {
	t.Helper()
	for e.send(t) || e.receive(t) || e.peer.send(t) || e.peer.receive(t) {
	}
}

// resettle lets both say how far they are, and settles what that brings to light.
func (e *end) resettle(t testing.TB) {
	t.Helper()
	e.beat(t)
	e.peer.beat(t)
	e.settle(t)
}

// exchanged returns how many bytes both sent, and counts from zero again.
func (e *end) exchanged() int {
	n := e.sent + e.peer.sent
	e.sent, e.peer.sent = 0, 0
	return n
}

// messages reads the frames that wait for e as the messages whose chunks they are.
func (e *end) messages(t testing.TB) (list []*wire.Message) {
	t.Helper()
	var in inbox
	for _, f := range e.inbox {
		if f.GetChunk() == nil {
			continue
		}
		m, err := in.take(f.GetChunk())
		if err != nil {
			t.Fatal(err)
		}
		if m != nil {
			list = append(list, m)
		}
	}
	return list
}

// updates reads those of the messages that are updates.
func (e *end) updates(t testing.TB) (list []*federation.Update) {
	t.Helper()
	for _, m := range e.messages(t) {
		if m.GetUpdate() == nil {
			continue
		}
		u, refused, err := decodeUpdate(m.GetUpdate(), nil)
		if err != nil || len(refused) > 0 {
			t.Fatalf("refused %v, error %v", refused, err)
		}
		list = append(list, u)
	}
	return list
}

// agrees fails unless the other side holds just what e says of itself.
func (e *end) agrees(t testing.TB) {
	t.Helper()
	agree(t, e.store, e.peer.store, e.store.Self())
}

// agree fails unless both hold the same of a cluster, and something at all.
func agree(t testing.TB, a, b *federation.Store, owner federation.ClusterID) {
	t.Helper()
	mine, theirs := holds(a, owner), holds(b, owner)
	if mine == nil || theirs == nil || !sameUpdate(mine, theirs) || a.Head(owner) != b.Head(owner) {
		t.Fatalf("of %s, %s holds %+v\n%+v\n%s holds %+v\n%+v", owner, a.Self(), a.Head(owner), mine, b.Self(), b.Head(owner), theirs)
	}
}

// holds returns all that is held of a cluster, nil if nothing.
func holds(s *federation.Store, owner federation.ClusterID) *federation.Update {
	u := s.SeenBy(s.Self()).Against(owner, nil)
	if u != nil {
		slices.SortFunc(u.Unread, func(a, b federation.Unread) int { return a.Name.Compare(b.Name) })
	}
	return u
}

// sameUpdate reports whether both carry the same.
func sameUpdate(a, b *federation.Update) bool {
	sameRecord := func(a, b federation.Record) bool { return a.Hash == b.Hash && a.Equal(b.Export) }
	sameSubset := func(a, b federation.Subset) bool {
		return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
	}
	return a.Owner == b.Owner && a.From == b.From && a.To == b.To && a.At.Equal(b.At) && a.Digest == b.Digest && a.More == b.More &&
		slices.EqualFunc(a.Put, b.Put, sameRecord) &&
		slices.EqualFunc(a.Patched, b.Patched, func(a, b federation.Patch) bool {
			return a.Base == b.Base && sameRecord(a.Record, b.Record) && slices.EqualFunc(a.Removed, b.Removed, sameSubset)
		}) &&
		slices.Equal(a.Withdrawn, b.Withdrawn) && slices.Equal(a.Stale, b.Stale) && slices.Equal(a.Unread, b.Unread)
}

// exportsOf returns the exports that a store holds of a cluster, by name.
func exportsOf(s *federation.Store, owner federation.ClusterID) (list []*federation.Export) {
	seen := map[federation.ServiceName]bool{}
	names, _, _ := s.NamesSince(0)
	for _, namespace := range []string{"shop", "bank"} {
		names = append(names, s.NamesIn(namespace)...)
	}
	for _, n := range names {
		if e := s.Export(owner, n); e != nil && !seen[n] {
			seen[n] = true
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *federation.Export) int { return cmp.Compare(a.Name.String(), b.Name.String()) })
	return list
}
