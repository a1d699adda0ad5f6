package stream

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// fresh returns a link of self to peer, heard just now, and why it was ended.
func fresh(self, peer, dialer federation.ClusterID) (*link, func() error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	l := New(Config{Store: federation.NewStore(self), Log: quiet}).newLink(nil, peer, Peer, dialer, cancel)
	return l, func() error { return context.Cause(ctx) }
}

// Both members decide the same of two streams: of two leaders that with the greater term is right; else the one that
// the lower cluster ID dialed stays while it is heard, else the newer.
func TestBetterOfTwoStreamsStays(t *testing.T) {
	for _, c := range []struct {
		about    string
		old, new federation.ClusterID // who dialed
		terms    [2]uint64            // in which the other side speaks on the old one, and on the new one
		silent   time.Duration        // since the old one was heard
		newStays bool
	}{
		{"the lower dialed both", "east", "east", [2]uint64{5, 5}, 0, true},
		{"the higher dialed both", "west", "west", [2]uint64{5, 5}, 0, true},
		{"the lower dialed the old one", "east", "west", [2]uint64{5, 5}, 0, false},
		{"the lower dialed the old one, nearly too long ago", "east", "west", [2]uint64{5, 5}, 2 * time.Second, false},
		{"the lower dialed the old one, and it is silent", "east", "west", [2]uint64{5, 5}, 3 * time.Second, true},
		{"the lower dialed the new one", "west", "east", [2]uint64{5, 5}, 0, true},
		{"a greater term, the lower dialed the old one", "east", "west", [2]uint64{5, 6}, 0, true},
		{"a greater term, the lower dialed the new one", "west", "east", [2]uint64{5, 6}, 0, true},
		{"a lower term, the lower dialed the new one", "west", "east", [2]uint64{5, 4}, 0, false},
		{"a lower term, of the same dialer", "west", "west", [2]uint64{5, 4}, 0, false},
		{"a lower term, and the old one is silent", "west", "east", [2]uint64{5, 4}, 3 * time.Second, true},
		{"who has said nothing yet", "west", "east", [2]uint64{5, 0}, 0, false},
	} {
		for _, side := range [][2]federation.ClusterID{{"east", "west"}, {"west", "east"}} {
			ls := newLinks()
			old, oldEnd := fresh(side[0], side[1], c.old)
			if err := ls.add(old); err != nil {
				t.Fatal(err)
			}
			old.session.speaks.Term = c.terms[0]
			old.heard.Store(time.Now().Add(-c.silent).UnixNano())
			ended := ls.wait(side[1])
			next, _ := fresh(side[0], side[1], c.new)
			next.session.speaks.Term = c.terms[1]
			err := ls.add(next)
			stays, loserEnd := old, err
			if c.newStays {
				stays, loserEnd = next, oldEnd()
			}
			if ls.active[side[1]] != stays || !errors.Is(loserEnd, errReplaced) || closed(ended) != c.newStays {
				t.Errorf("%s, seen by %s: new one added with %v, old one ended with %v", c.about, side[0], err, oldEnd())
			}
		}
	}
}

// A link that was replaced cannot take its successor with it.
func TestReplacedLinkLeavesItsSuccessor(t *testing.T) {
	ls := newLinks()
	old, _ := fresh("east", "west", "west")
	next, _ := fresh("east", "west", "east")
	if ls.wait("west") != nil {
		t.Error("there is something to wait for")
	}
	if err := errors.Join(ls.add(old), ls.add(next)); err != nil {
		t.Fatal(err)
	}
	ended := ls.wait("west")
	if ls.remove(old) || closed(ended) || ls.active["west"] != next {
		t.Error("the successor went, too")
	}
	if !ls.remove(next) || !closed(ended) || ls.remove(next) || ls.wait("west") != nil {
		t.Error("the successor stays")
	}
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// The wait doubles from a tenth of a second to ten seconds, give or take half of it, and is never nothing.
func TestBackoffDoublesWithinItsBounds(t *testing.T) {
	for range 200 {
		var b backoff
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 64, 100, 100, 100} {
			want *= 100 * time.Millisecond
			if got := b.next(); got < want/2 || got >= want*3/2 {
				t.Fatalf("%s, want %s give or take half", got, want)
			}
		}
	}
}

// Members that lost each other at the same moment do not dial in step.
func TestBackoffIsJittered(t *testing.T) {
	seen := map[time.Duration]bool{}
	for range 20 {
		var b backoff
		seen[b.next()] = true
	}
	if len(seen) < 10 {
		t.Errorf("%d different waits of 20", len(seen))
	}
}

// Who stops leading ends all links that are open, whether they are up or not, to peers and to standbys alike.
func TestAllLinksThatAreOpenEnd(t *testing.T) {
	ls := newLinks()
	var causes []func() error
	for _, peer := range []federation.ClusterID{"west", "east", "east"} {
		l, cause := fresh("east", peer, "east")
		ls.open(l)
		causes = append(causes, cause)
	}
	gone, goneCause := fresh("east", "north", "north")
	ls.open(gone)()
	ls.end(errNotLeading)
	for _, cause := range causes {
		if !errors.Is(cause(), errNotLeading) {
			t.Errorf("a link ended with %v", cause())
		}
	}
	if goneCause() != nil {
		t.Error("a link that was closed is still known")
	}
}
