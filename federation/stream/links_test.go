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
	l := newLink(nil, federation.NewStore(self), peer, dialer, quiet, cancel)
	return l, func() error { return context.Cause(ctx) }
}

// Both members decide the same of two streams: the one that the lower cluster ID dialed stays while it
// is heard, else the newer.
func TestBetterOfTwoStreamsStays(t *testing.T) {
	for _, c := range []struct {
		about    string
		old, new federation.ClusterID // who dialed
		silent   time.Duration        // since the old one was heard
		newStays bool
	}{
		{"the lower dialed both", "east", "east", 0, true},
		{"the higher dialed both", "west", "west", 0, true},
		{"the lower dialed the old one", "east", "west", 0, false},
		{"the lower dialed the old one, nearly too long ago", "east", "west", 2 * time.Second, false},
		{"the lower dialed the old one, and it is silent", "east", "west", 3 * time.Second, true},
		{"the lower dialed the new one", "west", "east", 0, true},
	} {
		for _, side := range [][2]federation.ClusterID{{"east", "west"}, {"west", "east"}} {
			ls := newLinks()
			old, oldEnd := fresh(side[0], side[1], c.old)
			if err := ls.add(old); err != nil {
				t.Fatal(err)
			}
			old.heard.Store(time.Now().Add(-c.silent).UnixNano())
			ended := ls.wait(side[1])
			next, _ := fresh(side[0], side[1], c.new)
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
