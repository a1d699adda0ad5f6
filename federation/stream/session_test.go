package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

func hello(cluster, about string, least, most uint32) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{
		MinVersion: least, MaxVersion: most, Cluster: cluster, Have: []*wire.Head{{Owner: about}},
	}}}
}

// west is the hello of the peer that every scripted session has.
func west() *wire.Frame { return hello("west", "east", wireVersion, wireVersion) }

// westHas is the hello of a peer that has that much of east.
func westHas(h federation.Head) *wire.Frame {
	f := west()
	f.GetHello().Have[0] = encodeHead("east", h)
	return f
}

func chunk(data []byte, first, last bool) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Chunk{Chunk: &wire.Chunk{Data: data, First: first, Last: last}}}
}

// beat is a heartbeat that says of these owners that nothing is known.
func beat(owners ...string) *wire.Frame {
	b := &wire.Heartbeat{}
	for _, o := range owners {
		b.Heads = append(b.Heads, &wire.Head{Owner: o})
	}
	return &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: b}}
}

func ask(owner string) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Ask{Ask: &wire.Ask{Owner: owner}}}
}

// packed returns a message as its only chunk.
func packed(t testing.TB, m *wire.Message) *wire.Frame {
	t.Helper()
	out, err := pack(m)
	if err != nil {
		t.Fatal(err)
	}
	f := out.chunk()
	if !out.empty() {
		t.Fatal("more than one chunk")
	}
	return f
}

// says returns the one chunk of an update.
func says(t testing.TB, u *federation.Update) *wire.Frame {
	t.Helper()
	return packed(t, (&message{update: u}).encode())
}

// tells returns the one chunk of hashes.
func tells(t testing.TB, owner federation.ClusterID, hashes ...federation.Hash) *wire.Frame {
	t.Helper()
	return packed(t, (&message{owner: owner, hashes: hashes}).encode())
}

// wholeSet returns the update to that set of who holds nothing.
func wholeSet(owner federation.ClusterID, to federation.Version, exports ...*federation.Export) *federation.Update {
	u := &federation.Update{Owner: owner, To: to}
	for _, e := range exports {
		r := federation.Sealed(e)
		u.Put, u.Digest = append(u.Put, r), u.Digest+federation.Digest(r.Hash)
	}
	return u
}

// handleAll hands the frames to the session in turn and returns the first error.
func handleAll(s *Session, frames ...*wire.Frame) error {
	for i, f := range frames {
		if _, err := s.Handle(f, epoch); err != nil {
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
	one, two := federation.Version{Term: 1, Seq: 1}, federation.Version{Term: 2, Seq: 1}
	for _, c := range []struct {
		about  string
		frames []*wire.Frame
		want   string
	}{
		{"a chunk before the hello", []*wire.Frame{chunk(nil, true, true)}, "first frame is not a hello"},
		{"a heartbeat before the hello", []*wire.Frame{beat()}, "first frame is not a hello"},
		{"a question before the hello", []*wire.Frame{ask("west")}, "first frame is not a hello"},
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
		{"hashes of a third cluster", []*wire.Frame{west(), tells(t, "north", 1)}, `asks for records of "north"`},
		{"hashes of its own", []*wire.Frame{west(), tells(t, "west", 1)}, `asks for records of "west"`},
		{"hashes of nobody", []*wire.Frame{west(), tells(t, "")}, `asks for records of ""`},
		{"an update that is none", []*wire.Frame{west(), chunk([]byte("\xff"), true, true)}, "decoding a message"},
		{"an update to nowhere", []*wire.Frame{west(), says(t, wholeSet("west", federation.Version{}))}, "want a greater version"},
		{"an older term", []*wire.Frame{west(), says(t, wholeSet("west", two)), says(t, wholeSet("west", one))}, "older than what is held"},
		{"an older version", []*wire.Frame{west(), says(t, wholeSet("west", two)), says(t, wholeSet("west", federation.Version{Term: 2}))}, "older than what is held"},
		{"a service twice", []*wire.Frame{west(), says(t, wholeSet("west", one, export("west", "web"), export("west", "web")))}, `update of west to 1.1 names "shop/web" twice`},
	} {
		store := newStore("east", export("east", "web", "10.0.0.1"))
		err := handleAll(NewSession(store, "west", Peer, epoch), c.frames...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "already") {
			t.Errorf("%s: error %v, want %q", c.about, err, c.want)
		}
		if store.Head("east") != newStore("east", export("east", "web", "10.0.0.1")).Head("east") || !store.Version("north").IsZero() {
			t.Errorf("%s: it left traces: %+v", c.about, store.Owners())
		}
	}
}

// Promise 3: what a peer says of another cluster, ours included, ends the stream for that reason and leaves no trace.
func TestAPeerSpeaksForItselfAlone(t *testing.T) {
	for _, owner := range []string{"north", "east"} {
		for about, f := range map[string]*wire.Frame{
			"an update":            says(t, wholeSet(federation.ClusterID(owner), federation.Version{Term: 9, Seq: 9}, export(federation.ClusterID(owner), "web"))),
			"a heartbeat":          beat(owner),
			"a heartbeat, later":   beat("west", owner),
			"a question":           ask(owner),
			"a question of nobody": ask(""),
			"a heartbeat of none":  beat(""),
		} {
			store := newStore("east")
			err := handleAll(NewSession(store, "west", Peer, epoch), west(), f)
			if !errors.Is(err, ErrNotItsOwn) || !strings.Contains(err.Error(), `its certificate names "west"`) {
				t.Errorf("%s of %s: error %v", about, owner, err)
			}
			if len(store.Owners()) != 2 || len(store.Synced()) != 1 || store.Exports(webName) != nil {
				t.Errorf("%s of %s left traces: %+v", about, owner, store.Owners())
			}
		}
	}
}

// What does not end a stream.
func TestSessionBears(t *testing.T) {
	future := federation.Head{Version: federation.Version{Term: 9, Seq: 9}}
	for about, frames := range map[string][]*wire.Frame{
		"a range of versions that holds ours":   {hello("west", "east", 0, 9)},
		"a hello that has nothing":              {{Kind: &wire.Frame_Hello{Hello: &wire.Hello{MinVersion: 1, MaxVersion: 1, Cluster: "west"}}}},
		"a frame of a later minor version":      {west(), {}},
		"a message of a later minor version":    {west(), packed(t, &wire.Message{})},
		"a peer that claims to know our future": {westHas(future)},
		"a question that nothing answers":       {west(), ask("west")},
		"a question twice":                      {west(), ask("west"), ask("west")},
		"hashes that were not asked for":        {west(), tells(t, "east", 1, 2, 3), tells(t, "east")},
		"the same set again": {west(), says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1})),
			says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1}))},
	} {
		s := NewSession(newStore("east"), "west", Peer, epoch)
		if err := handleAll(s, frames...); err != nil {
			t.Errorf("%s: %v", about, err)
		}
		if n := drain(t, s); n > 2 {
			t.Errorf("%s: %d frames are the answer", about, n)
		}
	}
}

// E1: nothing of ours goes to a peer that has not said who it is.
func TestNothingIsSentBeforeTheHello(t *testing.T) {
	s := NewSession(newStore("east", export("east", "web", "10.0.0.1")), "west", Peer, epoch)
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

// What the other side says of itself in its hello and its heartbeats is known at once: of two leaders of a cluster
// the one with the greater term is right.
func TestSessionKnowsInWhichTermThePeerSpeaks(t *testing.T) {
	a, b := talk(newStore("east"), newStore("west"))
	b.store.Announce(7, nil)
	a.reconnect()
	a.receive(t)
	if a.session.Speaks() != (federation.Version{Term: 7, Seq: 1}) {
		t.Errorf("after the hello: %s", a.session.Speaks())
	}
	b.store.Announce(8, nil)
	b.beat(t)
	a.receive(t)
	if a.session.Speaks() != (federation.Version{Term: 8, Seq: 1}) || a.store.Version("west").Term == 8 {
		t.Errorf("after a heartbeat: %s", a.session.Speaks())
	}
}

// A peer is given up when it was silent for more than ten seconds; any frame counts, until then each
// tick is a heartbeat with our head, and with what we have of the peer.
func TestSilenceEndsTheSession(t *testing.T) {
	store := newStore("east", export("east", "web"))
	s := NewSession(store, "west", Peer, epoch)
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
			if _, err := s.Handle(c.frame, now); err != nil {
				t.Fatal(err)
			}
		}
		want := &wire.Heartbeat{Heads: []*wire.Head{encodeHead("east", store.Head("east"))}, Have: encodeHead("west", federation.Head{})}
		f, err := s.Tick(now)
		if (err == nil) != c.alive || c.alive && !proto.Equal(f.GetHeartbeat(), want) {
			t.Errorf("after %s: frame %v, error %v, want alive %t", c.after, f, err, c.alive)
		}
	}
	if owners := store.Owners(); len(owners) != 2 || !owners[1].Heard.Equal(epoch.Add(28*time.Second)) {
		t.Errorf("heard: %+v", owners)
	}
}
