package stream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// epoch is when every scripted session begins.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newStore(self federation.ClusterID, exports ...*federation.Export) *federation.Store {
	s := federation.NewStore(self)
	s.Announce(1, exports)
	return s
}

func hello(cluster, about string, least, most uint32) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{
		MinVersion: least, MaxVersion: most, Cluster: cluster, Have: &wire.Have{Owner: about},
	}}}
}

// west is the hello of the peer that every scripted session has.
func west() *wire.Frame { return hello("west", "east", wireVersion, wireVersion) }

func have(owner string, v federation.Version) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Have{Have: &wire.Have{Owner: owner, Version: encodeVersion(v)}}}
}

func chunk(data []byte, first, last bool) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Chunk{Chunk: &wire.Chunk{Data: data, First: first, Last: last}}}
}

func beat() *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{}}}
}

// says returns the one chunk of an update.
func says(t *testing.T, u *federation.Update) *wire.Frame {
	t.Helper()
	data, err := encodeUpdate(u)
	if err != nil {
		t.Fatal(err)
	}
	return chunk(data, true, true)
}

func wholeSet(owner federation.ClusterID, to federation.Version, exports ...*federation.Export) *federation.Update {
	return &federation.Update{Owner: owner, To: to, Put: exports}
}

// handleAll hands the frames to the session in turn and returns the first error.
func handleAll(s *Session, frames ...*wire.Frame) error {
	for i, f := range frames {
		if _, _, err := s.Handle(f, epoch); err != nil {
			if i != len(frames)-1 {
				return fmt.Errorf("frame %d of %d already: %w", i+1, len(frames), err)
			}
			return err
		}
	}
	return nil
}

// What ends a stream, and in which words. The session is east's, the peer's certificate names west.
func TestSessionRefuses(t *testing.T) {
	big := make([]byte, maxUpdate/2)
	for _, c := range []struct {
		about  string
		frames []*wire.Frame
		want   string
	}{
		{"a chunk before the hello", []*wire.Frame{chunk(nil, true, true)}, "first frame is not a hello"},
		{"a heartbeat before the hello", []*wire.Frame{beat()}, "first frame is not a hello"},
		{"an empty frame before the hello", []*wire.Frame{{}}, "first frame is not a hello"},
		{"hello twice", []*wire.Frame{west(), west()}, "second hello"},
		{"hello in another's name", []*wire.Frame{hello("north", "east", 1, 1)}, `says that it is "north", its certificate names "west"`},
		{"hello in our name", []*wire.Frame{hello("east", "east", 1, 1)}, `says that it is "east"`},
		{"hello without a name", []*wire.Frame{hello("", "east", 1, 1)}, `says that it is ""`},
		{"only later wire versions", []*wire.Frame{hello("west", "east", 2, 7)}, "wire versions 2 to 7, this member speaks 1"},
		{"only earlier wire versions", []*wire.Frame{hello("west", "east", 0, 0)}, "wire versions 0 to 0, this member speaks 1"},
		{"hello that asks for a third cluster", []*wire.Frame{hello("west", "north", 1, 1)}, `asks for records of "north"`},
		{"hello that asks for its own", []*wire.Frame{hello("west", "west", 1, 1)}, `asks for records of "west"`},
		{"hello that asks for nobody", []*wire.Frame{hello("west", "", 1, 1)}, `asks for records of ""`},
		{"have of a third cluster", []*wire.Frame{west(), have("north", federation.Version{})}, `asks for records of "north"`},
		{"an update of a third cluster", []*wire.Frame{west(), says(t, wholeSet("north", federation.Version{Term: 1, Seq: 1}))}, `speaks for north, its certificate names "west"`},
		{"an update of ours", []*wire.Frame{west(), says(t, wholeSet("east", federation.Version{Term: 9, Seq: 9}))}, `speaks for east`},
		{"an update that is none", []*wire.Frame{west(), chunk([]byte("\xff"), true, true)}, "decoding an update"},
		{"an update to nowhere", []*wire.Frame{west(), says(t, wholeSet("west", federation.Version{}))}, "want a greater version"},
		{"an older term", []*wire.Frame{west(), says(t, wholeSet("west", federation.Version{Term: 2, Seq: 1})), says(t, wholeSet("west", federation.Version{Term: 1, Seq: 9}))}, "older than what is held"},
		{"more than an update may have", []*wire.Frame{west(), chunk(big, true, false), chunk(big, false, false), chunk([]byte{0}, false, false)}, "update of more than"},
		{"more than an update may have, at the end", []*wire.Frame{west(), chunk(big, true, false), chunk(big, false, false), chunk([]byte{0}, false, true)}, "update of more than"},
	} {
		store := newStore("east", export("east", "web", "10.0.0.1"))
		err := handleAll(NewSession(store, "west", epoch), c.frames...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "already") {
			t.Errorf("%s: error %v, want %q", c.about, err, c.want)
		}
		if store.Version("east") != (federation.Version{Term: 1, Seq: 1}) || !store.Version("north").IsZero() {
			t.Errorf("%s: it left traces: %+v", c.about, store.Owners())
		}
	}
}

// What does not end a stream.
func TestSessionBears(t *testing.T) {
	for about, frames := range map[string][]*wire.Frame{
		"a range of versions that holds ours": {hello("west", "east", 0, 9)},
		"a frame of a later minor version":    {west(), {}},
		"an update of the greatest size that is broken off": {west(), chunk(make([]byte, maxUpdate), true, false),
			chunk(nil, true, false), chunk(make([]byte, maxUpdate), true, false)},
		"a peer that claims to know our future": {west(), have("east", federation.Version{Term: 9, Seq: 9})},
		"the same set again": {west(), says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1})),
			says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1}))},
	} {
		if err := handleAll(NewSession(newStore("east"), "west", epoch), frames...); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}
}

// E1: nothing of ours goes to a peer that has not said who it is.
func TestNothingIsSentBeforeTheHello(t *testing.T) {
	s := NewSession(newStore("east", export("east", "web", "10.0.0.1")), "west", epoch)
	if f, err := s.Next(); f != nil || err != nil || s.Greeted() {
		t.Errorf("frame %v, error %v", f, err)
	}
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	if f, err := s.Next(); f.GetChunk() == nil || err != nil || !s.Greeted() {
		t.Errorf("after the hello: frame %v, error %v", f, err)
	}
}

// A good record goes on where a bad one is refused, and the refusal is told.
func TestRefusedRecordsAreReported(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", epoch)
	good, bad := export("west", "good", "10.0.0.1"), export("west", "bad", "10.0.0.1")
	bad.Type = "Unknown"
	f := says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1}, good, bad))
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	_, refused, err := s.Handle(f, epoch)
	if err != nil || len(refused) != 1 || !strings.Contains(refused[0].Error(), "shop/bad") {
		t.Errorf("refused %v, error %v", refused, err)
	}
	if got := store.Exports(good.Name); len(got) != 1 || !got[0].Equal(good) || store.Exports(bad.Name) != nil {
		t.Errorf("held: %v", got)
	}
}

// A peer is given up when it was silent for more than ten seconds; any frame counts, until then each
// tick is a heartbeat with our version.
func TestSilenceEndsTheSession(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", epoch)
	for _, c := range []struct {
		after time.Duration
		frame *wire.Frame // comes before the tick
		alive bool
	}{
		{after: time.Second, alive: true},
		{after: 9 * time.Second, frame: west(), alive: true},
		{after: 19 * time.Second, alive: true},
		{after: 19 * time.Second, frame: beat(), alive: true},
		{after: 28 * time.Second, frame: chunk(nil, true, false), alive: true},
		{after: 38 * time.Second, alive: true},
		{after: 38*time.Second + 1, alive: false},
	} {
		now := epoch.Add(c.after)
		if c.frame != nil {
			if _, _, err := s.Handle(c.frame, now); err != nil {
				t.Fatal(err)
			}
		}
		f, err := s.Tick(now)
		if (err == nil) != c.alive || c.alive && decodeVersion(f.GetHeartbeat().GetVersion()) != store.Version("east") {
			t.Errorf("after %s: frame %v, error %v, want alive %t", c.after, f, err, c.alive)
		}
	}
	if owners := store.Owners(); len(owners) != 2 || !owners[1].Heard.Equal(epoch.Add(28*time.Second)) {
		t.Errorf("heard: %+v", owners)
	}
}

// No frame is larger than 64 KiB, whatever the record, and all but the last are nearly full.
func TestNoFrameIsLargerThan64KiB(t *testing.T) {
	var addresses []string
	for i := range 50_000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	huge := export("east", "huge", addresses...)
	huge.Labels = map[string]string{"pad": strings.Repeat("x", 30<<10)}
	s := NewSession(newStore("east", huge), "west", epoch)
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	frames := 0
	for f, err := s.Next(); f != nil || err != nil; f, err = s.Next() {
		if err != nil {
			t.Fatal(err)
		}
		size := proto.Size(f)
		if size > maxFrame || !f.GetChunk().GetLast() && size < chunkSize || f.GetChunk().GetFirst() != (frames == 0) {
			t.Fatalf("frame %d: %d bytes", frames, size)
		}
		frames++
	}
	if frames < 10 {
		t.Errorf("%d frames", frames)
	}
}
