package stream

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// later is what a later version says of a service beyond what this one knows: a number, a text, a message, and a
// field that is given twice.
func later() []byte {
	data := protowire.AppendVarint(protowire.AppendTag(nil, 900, protowire.VarintType), 300)
	data = append(data, unknownBytes(901, []byte("text"))...)
	data = append(data, unknownBytes(902, unknownBytes(1, []byte{0xff, 0x00}))...)
	data = protowire.AppendFixed64(protowire.AppendTag(data, 16, protowire.Fixed64Type), 1<<63)
	return append(data, unknownBytes(901, nil)...)
}

// What an owner of a later version says of a service survives: a leader that does not know it keeps it, and passes it
// on to its standby, byte for byte, in a record as in a patch of one.
func TestWhatIsNotKnownOfAServiceIsPassedOn(t *testing.T) {
	e := export("west", "web", addresses(50)...)
	e.Extra = later()
	west, leader := talk(newStore("west", e), newStore("east"))
	x, standby := feed(leader.store, federation.NewStore("east"))
	carried := func(about string, want *federation.Export) {
		t.Helper()
		west.settle(t)
		x.settle(t)
		for _, s := range []*federation.Store{leader.store, standby.store} {
			if got := s.Export("west", webName); got == nil || !bytes.Equal(got.Extra, want.Extra) || !got.Equal(want) {
				t.Errorf("%s: held %+v", about, got)
			}
		}
		agree(t, west.store, standby.store, "west")
	}
	carried("a record", e)
	e = flipped(e, 7)
	west.store.Set(e)
	carried("a patch", e)
	e = edited(e, func(e *federation.Export) { e.Extra = append(later(), later()...) })
	west.store.Set(e)
	carried("a patch of nothing else", e)
	e = edited(e, func(e *federation.Export) { e.Extra = nil })
	west.store.Set(e)
	carried("none any more", e)
}

// What is said in fields that this version does not know is a difference like any other.
func TestWhatIsNotKnownMakesADifference(t *testing.T) {
	plain := export("east", "web", "10.0.0.1")
	other := edited(plain, func(e *federation.Export) { e.Extra = later() })
	if plain.Equal(other) || other.Equal(plain) || federation.Sealed(plain).Hash == federation.Sealed(other).Hash {
		t.Error("no difference")
	}
	if same := edited(other, func(e *federation.Export) { e.Extra = later() }); !same.Equal(other) {
		t.Error("a difference where there is none")
	}
}

// How much of it one record may hold is bounded; the bytes are the record's own, not those of the message.
func TestWhatIsNotKnownIsBounded(t *testing.T) {
	for n, good := range map[int]bool{maxExtra: true, maxExtra + 1: false} {
		m := spoiled(func(_ int, e *wire.Export) { e.ProtoReflect().SetUnknown(unknownOf(n)) }, export("east", "web", "10.0.0.1"))
		u, refused, err := decodeUpdate(m, nil)
		if err != nil || (len(refused) == 0) != good || (len(u.Put) == 1) != good || (len(u.Unread) == 0) != good {
			t.Errorf("%d bytes: update %+v, refused %v, error %v", n, u, refused, err)
		}
		if good {
			clear(m.GetPut()[0].ProtoReflect().GetUnknown())
			if !bytes.Equal(u.Put[0].Extra, unknownOf(n)) {
				t.Error("the bytes are shared with the message")
			}
		}
	}
}

// What a later version adds to any other message does not keep this one from reading it.
func TestUnknownFieldsAreNoHindrance(t *testing.T) {
	e := export("east", "web", "10.0.0.1")
	u := wholeSet("east", federation.Version{Term: 1, Seq: 1}, e)
	m := (&message{update: u}).encode()
	record := m.GetUpdate().GetPut()[0]
	for _, add := range []proto.Message{
		m, m.GetUpdate(), m.GetUpdate().GetTo(), record.GetName(), record.GetPorts()[0], record.GetSubsets()[0],
		record.GetSubsets()[0].GetPorts()[0], record.GetSubsets()[0].GetEndpoints()[0],
	} {
		add.ProtoReflect().SetUnknown(later())
	}
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	read, err := decodeMessage(data)
	if err != nil {
		t.Fatal(err)
	}
	if got, refused, err := decodeUpdate(read.GetUpdate(), nil); err != nil || len(refused) > 0 || !sameUpdate(u, got) {
		t.Errorf("update %+v, refused %v, error %v", got, refused, err)
	}
	s := NewSession(federation.NewStore("west"), "east", Peer, epoch)
	hello := &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{MinVersion: 1, MaxVersion: 3, Cluster: "east"}}}
	beat := beat("east")
	for _, add := range []proto.Message{hello, hello.GetHello(), beat, beat.GetHeartbeat(), beat.GetHeartbeat().GetHeads()[0]} {
		add.ProtoReflect().SetUnknown(later())
	}
	if err := handleAll(s, hello, beat, &wire.Frame{}, beat); err != nil {
		t.Error(err)
	}
}
