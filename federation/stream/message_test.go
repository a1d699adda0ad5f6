package stream

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// sized is a frame with the first chunk of a message that is announced as one of that many bytes.
func sized(data []byte, size uint64, last bool) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Chunk{Chunk: &wire.Chunk{Data: data, First: true, Last: last, Size: size}}}
}

// padded is the encoding of a message of exactly n bytes, all of which a later version may know.
func padded(n int) []byte {
	const field = 1000
	m := &wire.Message{}
	for pad := n - 4; proto.Size(m) != n; pad-- {
		m.ProtoReflect().SetUnknown(unknownBytes(field, make([]byte, pad)))
	}
	data, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return data
}

// A peer's message is bounded in length, with and without compression, and whatever it says of itself.
func TestTheSizeOfAMessageIsBounded(t *testing.T) {
	most, over := padded(maxMessage), padded(maxMessage+1)
	squeezed := func(data []byte) []byte { return s2.Encode(nil, data) }
	small := squeezed(padded(10_000))
	for _, c := range []struct {
		about  string
		frames []*wire.Frame
		want   string // "" if it is borne
	}{
		{"as much as may be", []*wire.Frame{chunk(most, true, true)}, ""},
		{"a byte more", []*wire.Frame{chunk(over, true, true)}, "message of more than 67108864 bytes"},
		{"a byte more, in chunks", []*wire.Frame{chunk(most[:1<<20], true, false), chunk(most[1<<20:], false, false), chunk(over[:1], false, false)}, "message of more than"},
		{"a byte more, at the end", []*wire.Frame{chunk(most, true, false), chunk(over[:1], false, true)}, "message of more than"},
		{"as much as may be, broken off", []*wire.Frame{chunk(most, true, false), chunk(nil, true, false), chunk(most, true, false)}, ""},
		{"as much as may be, compressed", []*wire.Frame{sized(squeezed(most), maxMessage, true)}, ""},
		{"a byte more, compressed", []*wire.Frame{sized(squeezed(over), maxMessage+1, true)}, "message of more than"},
		{"a byte more, announced", []*wire.Frame{sized(nil, maxMessage+1, false)}, "message of more than"},
		{"as much as can be, announced", []*wire.Frame{sized(nil, 1<<64-1, false)}, "message of more than"},
		{"a byte more than is announced", []*wire.Frame{sized(squeezed(over), maxMessage, true)}, "announced as one of 67108864"},
		{"a bomb announced as small", []*wire.Frame{sized(squeezed(over), 10, true)}, "a message of 67108865 bytes was announced as one of 10"},
		{"less than is announced", []*wire.Frame{sized(small, 10_001, true)}, "a message of 10000 bytes was announced as one of 10001"},
		{"just what is announced", []*wire.Frame{sized(small, 10_000, true)}, ""},
		{"compressed without saying so", []*wire.Frame{chunk(small, true, true)}, "decoding a message"},
		{"a size on a chunk that is not the first", []*wire.Frame{chunk(nil, true, false),
			{Kind: &wire.Frame_Chunk{Chunk: &wire.Chunk{Data: small, Last: true, Size: 10_000}}}}, "decoding a message"},
		{"compressed in another way", []*wire.Frame{sized([]byte("\x1f\x8b\x08garbage"), 31, true)}, "decompressing a message"},
		{"cut short", []*wire.Frame{sized(small[:len(small)-1], 10_000, true)}, "decompressing a message"},
		{"nothing, compressed", []*wire.Frame{sized(nil, 1, true)}, "decompressing a message"},
		{"chunks without a first one", []*wire.Frame{chunk(nil, false, false), chunk(nil, false, true)}, ""},
	} {
		s := NewSession(newStore("east"), "west", Peer, epoch)
		err := handleAll(s, append([]*wire.Frame{west()}, c.frames...)...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.about, err, c.want)
		}
		if n := cap(s.receiver.in.data); n > 2*maxMessage {
			t.Errorf("%s: %d bytes are kept", c.about, n)
		}
	}
}

// After a message, whatever became of it, nothing of it is kept.
func TestAMessageThatCameIsNotKept(t *testing.T) {
	for _, last := range []*wire.Frame{chunk(make([]byte, 9), false, true), chunk(nil, true, false)} {
		var in inbox
		if _, err := in.take(chunk(make([]byte, maxFrame), true, false).GetChunk()); err != nil {
			t.Fatal(err)
		}
		_, _ = in.take(last.GetChunk())
		if in.data != nil || in.size != 0 {
			t.Errorf("%d bytes are kept", len(in.data))
		}
	}
}

// Whatever is packed comes out as it went in, in chunks of which each fits into a frame; only what becomes smaller
// is compressed.
func TestMessagesSurvivePacking(t *testing.T) {
	r := random(t)
	hard, soft := func(n int) []byte { return noise(r, n) }, func(n int) []byte { return make([]byte, n) }
	for _, fill := range []func(int) []byte{hard, soft} {
		for _, n := range []int{0, 1, compressFrom - 8, compressFrom, chunkSize - 8, chunkSize, 3*chunkSize + 1} {
			m := &wire.Message{}
			m.ProtoReflect().SetUnknown(unknownBytes(1000, fill(n)))
			out, err := pack(m)
			if err != nil {
				t.Fatal(err)
			}
			if squeezed := out.size > 0; squeezed != (len(out.left) < proto.Size(m)) || squeezed && proto.Size(m) < compressFrom {
				t.Errorf("%d bytes became %d, size %d", proto.Size(m), len(out.left), out.size)
			}
			var in inbox
			var got *wire.Message
			for chunks := 0; !out.empty(); chunks++ {
				f := out.chunk()
				if got != nil || proto.Size(f) > maxFrame || f.GetChunk().GetFirst() != (chunks == 0) || f.GetChunk().GetLast() != out.empty() {
					t.Fatalf("chunk %d of %d bytes", chunks, proto.Size(f))
				}
				if got, err = in.take(f.GetChunk()); err != nil {
					t.Fatal(err)
				}
			}
			if !proto.Equal(m, got) {
				t.Errorf("%d bytes came out otherwise", n)
			}
		}
	}
}

func noise(r *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// chunksOf takes all chunks of an outbox.
func chunksOf(out outbox) (all []byte) {
	for !out.empty() {
		all = append(all, out.chunk().GetChunk().GetData()...)
	}
	return all
}

// What one stream sends of a change, all send in the same words, as they would by themselves.
func TestStreamsShareWhatTheyPack(t *testing.T) {
	r := random(t)
	store := newStore("east", many("east", 20)...)
	var shared packer
	for range 50 {
		before := store.Head("east")
		for range 1 + r.IntN(3) {
			change(r, store)
		}
		u, _ := store.SeenBy(store.Self()).Since("east", before, true)
		if u == nil {
			continue // what is equal is no change
		}
		m := &message{update: u, common: true}
		own, err := new(packer).pack(m)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3 {
			again, _ := store.SeenBy(store.Self()).Since("east", before, true)
			out, err := shared.pack(&message{update: again, common: true})
			if err != nil || out.size != own.size || !bytes.Equal(chunksOf(out), chunksOf(own)) {
				t.Fatalf("stream %d: error %v, other words", i, err)
			}
			if i > 0 && len(out.left) > 0 && &out.left[0] != &shared.last.left[0] {
				t.Errorf("stream %d packed by itself", i)
			}
		}
	}
}

// What differs in one of them is not the same: owner, versions, and the set that it leads to.
func TestWhatDiffersIsNotShared(t *testing.T) {
	of := func(owner federation.ClusterID, from, to uint64, d federation.Digest) *federation.Update {
		return &federation.Update{Owner: owner, From: federation.Version{Term: 1, Seq: from}, To: federation.Version{Term: 1, Seq: to}, Digest: d}
	}
	var p packer
	seen := map[string]int{}
	for i, u := range []*federation.Update{of("east", 1, 2, 1), of("west", 1, 2, 1), of("east", 1, 3, 1), of("east", 2, 3, 1), of("east", 2, 3, 2)} {
		out, err := p.pack(&message{update: u, common: true})
		if err != nil {
			t.Fatal(err)
		}
		words := string(chunksOf(out))
		if before, known := seen[words]; known {
			t.Errorf("updates %d and %d have the same words", before, i)
		}
		seen[words] = i
	}
}

// What goes to one stream alone is never what another is sent: the parts of an increment, the last one included,
// what is relative to hashes, and hashes.
func TestOnlyAWholeIncrementIsShared(t *testing.T) {
	set := many("east", 3_000)
	a, b := talk(newStore("east", set...), newStore("west"))
	shared := &packer{}
	a.session.packer = shared
	a.settle(t)
	if shared.key != (increment{}) {
		t.Errorf("of a whole set %+v is shared", shared.key)
	}
	for i := range set {
		a.store.Set(flipped(set[i], 0))
	}
	a.settle(t)
	if shared.key != (increment{}) || len(b.store.NamesIn("shop")) != len(set) {
		t.Errorf("of parts %+v is shared", shared.key)
	}
	a.agrees(t)
	a.store.Set(set[0])
	a.settle(t)
	if head := a.store.Head("east"); shared.key.to != head.Version || shared.key.digest != head.Digest || shared.key.from.Seq != head.Version.Seq-1 {
		t.Errorf("of an increment %+v is shared, at %+v", shared.key, head)
	}
	a.agrees(t)
}
