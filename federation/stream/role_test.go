package stream

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// Promise 3: what the other side is, is for this side to decide, by its certificate. A peer that behaves like the
// leader of this cluster is heard of its own records alone.
func TestAPeerCannotBeALeader(t *testing.T) {
	mallory := holding(t, many("east", 3), wholeSet("north", federation.Version{Term: 1, Seq: 1}, export("north", "web")))
	victim := newStore("east")
	for about, frames := range map[string]func(s *Session) []*wire.Frame{
		"that says so": func(s *Session) []*wire.Frame { return []*wire.Frame{s.Hello()} },
		"that says that it is west": func(s *Session) []*wire.Frame {
			f := s.Hello()
			f.GetHello().Cluster = "west"
			list := []*wire.Frame{f}
			if err := handleAll(s, hello("east", "east", 1, 1)); err != nil {
				t.Fatal(err)
			}
			for f, err := s.Next(); f != nil; f, err = s.Next() {
				if err != nil {
					t.Fatal(err)
				}
				list = append(list, f)
			}
			return list
		},
		"in its heartbeats": func(s *Session) []*wire.Frame {
			f, err := s.Tick(epoch)
			if err != nil {
				t.Fatal(err)
			}
			return []*wire.Frame{west(), f}
		},
	} {
		s := NewSession(victim, "west", Peer, epoch)
		var err error
		for _, f := range frames(NewSession(mallory, "east", Standby, epoch)) {
			if _, err = s.Handle(f, epoch); err != nil {
				break
			}
		}
		if err == nil || !strings.Contains(err.Error(), `its certificate names "west"`) {
			t.Errorf("a peer %s: %v", about, err)
		}
		if len(victim.Synced()) != 1 || len(victim.NamesIn("shop")) > 0 {
			t.Errorf("a peer %s left traces: %+v", about, victim.Owners())
		}
	}
}

// What a standby may not say to its leader, and a leader not to its standby.
func TestRolesRefuse(t *testing.T) {
	set := wholeSet("north", federation.Version{Term: 1, Seq: 1}, export("north", "web"))
	own := wholeSet("east", federation.Version{Term: 9, Seq: 9}, export("east", "web"))
	plain := &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{MinVersion: 1, MaxVersion: 1, Cluster: "east"}}}
	for _, c := range []struct {
		about  string
		role   Role // of who says it
		frames []*wire.Frame
		want   string
		cause  error
	}{
		{"a standby's update of another cluster", Standby, []*wire.Frame{plain, says(t, set)}, "may not", ErrNotItsOwn},
		{"a standby's update of its own", Standby, []*wire.Frame{plain, says(t, own)}, "may not", ErrNotItsOwn},
		{"a standby's heads", Standby, []*wire.Frame{plain, beat("east")}, "may not", ErrNotItsOwn},
		{"a standby's question", Standby, []*wire.Frame{plain, ask("east")}, "may not", ErrNotItsOwn},
		{"a standby's hashes of who is not known", Standby, []*wire.Frame{plain, tells(t, "north")}, `asks for records of "north"`, nil},
		{"a leader's wish for records", Leader, []*wire.Frame{hello("east", "east", 1, 1)}, `asks for records of "east"`, nil},
		{"a leader's hashes", Leader, []*wire.Frame{plain, tells(t, "east")}, `asks for records of "east"`, nil},
		{"a leader's head of no cluster", Leader, []*wire.Frame{plain, beat("North")}, `cluster ID "North"`, nil},
		{"a leader's question of no cluster", Leader, []*wire.Frame{plain, ask("")}, `cluster ID ""`, nil},
		{"a leader's update of who leads", Leader, []*wire.Frame{plain, says(t, own)}, "speaks for this cluster", federation.ErrOwnWord},
	} {
		store := newStore("east")
		err := handleAll(NewSession(store, "east", c.role, epoch), c.frames...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "already") || c.cause != nil && !errors.Is(err, c.cause) {
			t.Errorf("%s: error %v, want %q", c.about, err, c.want)
		}
		if len(store.Synced()) != 1 || len(store.NamesIn("shop")) > 0 || store.Version("east").Term != 1 {
			t.Errorf("%s left traces: %+v", c.about, store.Owners())
		}
	}
}

// A leader can name many clusters, but not so many that a standby runs out of memory.
func TestALeaderTellsOfABoundedNumberOfClusters(t *testing.T) {
	for what, f := range map[string]func(owner string) *wire.Frame{"question": ask, "head": func(o string) *wire.Frame { return beat(o) }} {
		s := NewSession(federation.NewStore("east"), "east", Leader, epoch)
		if err := handleAll(s, &wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{MinVersion: 1, MaxVersion: 1, Cluster: "east"}}}); err != nil {
			t.Fatal(err)
		}
		for i := range maxOwners {
			if err := handleAll(s, f(fmt.Sprintf("c-%d", i))); err != nil {
				t.Fatalf("%s %d: %v", what, i, err)
			}
		}
		if err := handleAll(s, f("c-7")); err != nil {
			t.Errorf("a %s of a cluster that is known: %v", what, err)
		}
		if err := handleAll(s, f("one-more")); err == nil || !strings.Contains(err.Error(), "more than 4096 clusters") {
			t.Errorf("one %s more: %v", what, err)
		}
	}
}
