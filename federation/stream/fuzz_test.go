package stream

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// seeds are updates of every kind.
func seeds() []*federation.Update {
	web := export("west", "web", addresses(9)...)
	web.Extra = later()
	two := federation.Version{Term: 1, Seq: 2}
	return []*federation.Update{
		wholeSet("west", two, web, export("west", "api", "fd00::1")),
		{Owner: "west", From: federation.Version{Term: 1, Seq: 1}, To: two, Withdrawn: []federation.ServiceName{webName}},
		{Owner: "west", To: two, Digest: 7, More: true, Stale: []federation.Hash{1, 2}, Unread: []federation.Unread{{Name: webName, Hash: 3}}},
		{Owner: "west", From: two, To: two, Patched: []federation.Patch{{Base: federation.Sealed(web).Hash, Record: federation.Sealed(flipped(web, 3)), Removed: web.Subsets}}},
	}
}

// FuzzDecodeUpdate reads a message as it comes off a stream, in one chunk, compressed if size is not zero: nothing
// panics; what is taken passes Check, is normalized, names each service once, and says the same again.
func FuzzDecodeUpdate(f *testing.F) {
	for _, u := range seeds() {
		for _, from := range []int{compressFrom, 0} {
			m := (&message{update: u}).encode()
			if from == 0 { // long enough to be compressed
				m.ProtoReflect().SetUnknown(unknownBytes(1000, make([]byte, compressFrom)))
			}
			out, err := pack(m)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(out.left, out.size)
		}
	}
	f.Add([]byte(nil), uint64(0))
	f.Add([]byte(nil), uint64(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint64) {
		var in inbox
		m, err := in.take(&wire.Chunk{Data: data, First: true, Last: true, Size: size})
		if in.data != nil {
			t.Fatal("what came is kept")
		}
		if err != nil {
			return
		}
		u, _, err := decodeUpdate(m.GetUpdate(), nil)
		if err != nil {
			return
		}
		checkUpdate(t, u)
		if got, refused, err := through(t, u); err != nil || len(refused) > 0 || !sameUpdate(u, got) {
			t.Fatalf("first\n%+v\nagain\n%+v\nrefused %v, error %v", u, got, refused, err)
		}
	})
}

// checkUpdate fails unless an update may be handed to a Store.
func checkUpdate(t *testing.T, u *federation.Update) {
	t.Helper()
	if err := namedOnce(u); err != nil {
		t.Fatal(err)
	}
	records := slices.Clone(u.Put)
	for _, p := range u.Patched {
		records = append(records, p.Record)
	}
	for _, r := range records {
		if err := r.Check(); err != nil || r.Cluster != u.Owner || len(r.Extra) > maxExtra {
			t.Fatalf("taken: %+v: %v", r.Export, err)
		}
		again := edited(r.Export, func(*federation.Export) {})
		if !again.Equal(r.Export) {
			t.Fatalf("taken, but not normalized: %+v", r.Export)
		}
	}
}

// framed joins frames, each behind its length, as FuzzHandle takes them.
func framed(frames ...*wire.Frame) (data []byte) {
	for _, f := range frames {
		one, err := proto.MarshalOptions{Deterministic: true}.Marshal(f)
		if err != nil {
			panic(err)
		}
		data = append(binary.AppendUvarint(data, uint64(len(one))), one...)
	}
	return data
}

// unframed is the reverse of framed; what is no frame is left out, as gRPC would end the stream.
func unframed(data []byte) (list []*wire.Frame) {
	for len(data) > 0 {
		n, used := binary.Uvarint(data)
		if used <= 0 {
			return list
		}
		data = data[used:]
		n = min(n, uint64(len(data)))
		f := &wire.Frame{}
		if proto.Unmarshal(data[:n], f) == nil {
			list = append(list, f)
		}
		data = data[n:]
	}
	return list
}

// ungreeted is a bit of FuzzHandle's role: no hello is made up.
const ungreeted = 1 << 7

// FuzzHandle hands a session whatever frames the other side may send, in each role: nothing panics, no more is kept
// than may be, what the other side may not speak for stays as it is, and the Store holds together.
func FuzzHandle(f *testing.F) {
	var said []*wire.Frame
	for _, u := range seeds() {
		said = append(said, says(f, u))
	}
	for _, role := range []Role{Peer, Leader, Standby} {
		f.Add(uint8(role), framed(said...))
		f.Add(uint8(role), framed(beat("west"), ask("west"), tells(f, "east", 1, 2), beat("west")))
		f.Add(uint8(role), framed(said[2], beat("west"), said[0], beat("west"), said[3], said[1]))
		f.Add(uint8(role)|ungreeted, framed(greeting(role), beat(), greeting(role)))
	}
	f.Add(uint8(Peer), framed(chunk(nil, true, false), sized(nil, 9, true)))
	f.Fuzz(func(t *testing.T, bits uint8, data []byte) {
		role, frames := Role(bits&^ungreeted%3), unframed(data)
		if bits&ungreeted == 0 {
			frames = append([]*wire.Frame{greeting(role)}, frames...)
		}
		store := holding(t, many("east", 2), wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web", addresses(9)...)))
		peer := federation.ClusterID("west")
		if role != Peer {
			peer = "east"
		}
		if role == Leader {
			store.Follow()
		}
		before := store.Heads()
		hear(t, NewSession(store, peer, role, epoch), frames)
		after := store.Heads()
		if role == Peer {
			delete(before, "west")
			delete(after, "west")
		}
		if role != Leader && !maps.Equal(before, after) {
			t.Fatalf("a %s changed %v into %v", role, before, after)
		}
	})
}

// greeting is the hello of who is that to east.
func greeting(role Role) *wire.Frame {
	f := west()
	if role != Peer {
		f.GetHello().Cluster = "east"
	}
	if role == Leader {
		f.GetHello().Have = nil
	}
	return f
}

// hear hands a session the frames up to the first that ends it, and lets it answer each.
func hear(t *testing.T, s *Session, frames []*wire.Frame) {
	t.Helper()
	for _, f := range frames {
		_, err := s.Handle(f, epoch)
		checkSession(t, s)
		checkStore(t, s.store)
		if err != nil {
			return
		}
		for range 3 {
			if f, err := s.Next(); err != nil || proto.Size(f) > maxFrame {
				t.Fatalf("next: %d bytes, error %v", proto.Size(f), err)
			}
		}
		if f, err := s.Tick(epoch); err != nil || proto.Size(f) > maxFrame {
			t.Fatalf("heartbeat: %d bytes, error %v", proto.Size(f), err)
		}
	}
}

// checkSession fails when a session keeps more than it may.
func checkSession(t *testing.T, s *Session) {
	t.Helper()
	if n := len(s.receiver.takes); n > maxOwners || len(s.receiver.wants) > n || len(s.receiver.in.data) > maxMessage {
		t.Fatalf("%d owners, %d to be told of, %d bytes", n, len(s.receiver.wants), len(s.receiver.in.data))
	}
}

// checkStore fails unless a Store's digests, counts and exports are those of its records.
func checkStore(t *testing.T, s *federation.Store) {
	t.Helper()
	exports := 0
	for owner, head := range s.Heads() {
		u := holds(s, owner)
		checkUpdate(t, u)
		var sum federation.Digest
		for _, r := range u.Put {
			sum += federation.Digest(r.Hash)
			if s.Export(owner, r.Name) != r.Export {
				t.Fatalf("%s of %s is held in two ways", r.Name, owner)
			}
		}
		for _, x := range u.Unread {
			sum += federation.Digest(x.Hash)
		}
		if head != (federation.Head{Version: u.To, Digest: sum, Records: len(u.Put) + len(u.Unread)}) {
			t.Fatalf("%s: %+v, but the records are of %d and %d", owner, head, sum, len(u.Put)+len(u.Unread))
		}
		exports += len(exportsOf(s, owner))
	}
	if n := len(s.Exports(webName)); n > exports {
		t.Fatalf("%d exports of web of %d in all", n, exports)
	}
}
