package xds

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// TestWhatWentIsNotKeptThroughAnUnreadResponse: a client drops a name and wants it again before it reads the response that
// has it, and the resource goes in between: it is told the whole once more.
func TestWhatWentIsNotKeptThroughAnUnreadResponse(t *testing.T) {
	for _, again := range [][]string{{"x", "y"}, {wildcard}} {
		for _, k := range []kind{listenerKind, clusterKind} {
			s := newStore()
			s.apply(at(k, "x", "1"))
			s.apply(at(k, "y", "1"))
			c := newTalk(t, s)
			c.ask(k, "", "x", "y")
			c.ask(k, "", "y")
			s.apply(at(k, "x", ""))
			c.ask(k, "", again...)
			if got := c.ask(k, "1", again...); len(got) != 1 {
				t.Errorf("%s %q: it has read x, which is gone, and is told %q", typeURLs[k], again, got)
			}
		}
	}
}

// TestAWildcardEndsOnce: a stream that ended it is rung for nobody else's changes.
func TestAWildcardEndsOnce(t *testing.T) {
	for _, unsubscribe := range [][]string{{wildcard}, {wildcard, wildcard}} {
		s := newStore()
		s.apply(at(clusterKind, "x", "1"))
		rung := 0
		c := newDeltaTalk(t, s)
		c.mailbox.ring = func() { rung++ }
		c.request(request{kind: clusterKind, subscribe: []string{wildcard}})
		c.ack(clusterKind, "1")
		c.request(request{kind: clusterKind, unsubscribe: unsubscribe})
		c.update()
		rung = 0
		s.apply(at(clusterKind, "y", "1"))
		if rung != 0 || len(s.all[clusterKind]) != 0 {
			t.Errorf("%q: rung %d times, %d streams are told all", unsubscribe, rung, len(s.all[clusterKind]))
		}
	}
}

// TestANewConnectionHasThePaceOfTheFormer: who comes again waits as if it had stayed, and is forgotten once it rested.
func TestANewConnectionHasThePaceOfTheFormer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all origins
		here, there := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
		began := time.Now()
		for range 100 {
			origin, _ := all.join(here)
			origin.wait(t.Context(), namesBurst/4)
			all.leave(here)
		}
		if took, want := time.Since(began), 96*time.Second; took < want-time.Second || took > want+time.Second {
			t.Errorf("%d names took %s, want about %s", 100*namesBurst/4, took, want)
		}
		time.Sleep(rested)
		all.join(there)
		if len(all.open) != 1 || len(all.left) != 0 {
			t.Errorf("%d addresses are remembered, %d of them left", len(all.open), len(all.left))
		}
	})
}
