package stream

import (
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// beatOf is a heartbeat of west at that head.
func beatOf(h federation.Head) *wire.Frame {
	return &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{Heads: []*wire.Head{encodeHead("west", h)}}}}
}

// What was refused as our clock was wrong is asked for once the other side goes on having more than we do.
func TestWhatNeverComesIsAskedFor(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", Peer, epoch)
	v := federation.Version{Term: uint64(epoch.Add(48 * time.Hour).UnixMilli()), Seq: 1}
	u := wholeSet("west", v, export("west", "web", "10.0.0.1"))
	if err := handleAll(s, west(), says(t, u)); err != nil || !store.Version("west").IsZero() {
		t.Fatalf("error %v, held at %s", err, store.Version("west"))
	}
	later := epoch.Add(48 * time.Hour)
	head := federation.Head{Version: v, Digest: u.Digest, Records: 1}
	for i := range maxLate {
		if m := s.receiver.hashes(); m != nil {
			t.Fatalf("asked after %d heartbeats", i)
		}
		if _, err := s.Handle(beatOf(head), later); err != nil {
			t.Fatal(err)
		}
	}
	if m := s.receiver.hashes(); m == nil || m.owner != "west" {
		t.Fatalf("after %d heartbeats: %+v", maxLate, m)
	}
	if _, err := s.Handle(says(t, u), later); err != nil || store.Version("west") != v {
		t.Errorf("error %v, held at %s", err, store.Version("west"))
	}
}

// A leader that does not know that another one leads its cluster is left, so that the other one can be reached.
func TestAnOlderTermEndsTheStream(t *testing.T) {
	store := newStore("east")
	if _, err := store.Apply(wholeSet("west", federation.Version{Term: 200, Seq: 1})); err != nil {
		t.Fatal(err)
	}
	s := NewSession(store, "west", Peer, epoch)
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	old := federation.Head{Version: federation.Version{Term: 100, Seq: 7}}
	for range maxOld {
		if _, err := s.Handle(beatOf(old), epoch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Handle(beatOf(federation.Head{Version: federation.Version{Term: 201, Seq: 1}}), epoch); err != nil {
		t.Fatalf("after it began a greater term: %v", err)
	}
	for range maxOld {
		if _, err := s.Handle(beatOf(old), epoch); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Handle(beatOf(old), epoch); err == nil || !strings.Contains(err.Error(), "term 100") {
		t.Errorf("error %v", err)
	}
}

// A record that was refused for its size, or for a limit, is said again on the next stream.
func TestWhatWasRefusedIsSaidAgainOnTheNextStream(t *testing.T) {
	owner := newStore("west", export("west", "a"), export("west", "b"))
	small := federation.NewStoreWithin("east", federation.Limits{Services: 1})
	small.Announce(1, nil)
	sync := func(to *federation.Store) {
		t.Helper()
		sides := []*Session{NewSession(owner, "east", Peer, epoch), NewSession(to, "west", Peer, epoch)}
		frames := []*wire.Frame{sides[0].Hello(), sides[1].Hello()}
		for frames[0] != nil || frames[1] != nil {
			for i, f := range frames {
				if f != nil {
					if _, err := sides[1-i].Handle(f, epoch); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i, s := range sides {
				var err error
				if frames[i], err = s.Next(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	sync(small)
	if n := len(small.NamesIn("shop")); n != 1 || small.Head("west") != owner.Head("west") {
		t.Fatalf("%d services, held %+v", n, small.Head("west"))
	}
	for _, name := range []string{"a", "b"} {
		if e := export("west", name); small.Export("west", e.Name) != nil {
			owner.Withdraw(e.Name)
		}
	}
	sync(small)
	sync(small)
	if n := len(small.NamesIn("shop")); n != 1 || small.Head("west") != owner.Head("west") {
		t.Errorf("with room: %d services, held %+v, the owner %+v", n, small.Head("west"), owner.Head("west"))
	}
}
