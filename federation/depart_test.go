package federation

import (
	"testing"
	"time"
)

// Who has left holds nothing of anybody, and means it; what comes late goes again; who comes back is told all anew.
func TestDeparting(t *testing.T) {
	east, west := NewStore("east"), NewStore("west")
	west.Announce(1, []*Export{web("west", "a"), web("west", "b")})
	east.Announce(1, []*Export{web("east", "a")})
	east.Expect("north") // which was not heard yet
	east.Heard("west", time.Now())
	catchUp(t, west, east, "west")
	meant := east.Capacity("west").Meant
	_, revision, _ := east.NamesSince(0)

	east.Leave()
	if !east.Left() || len(said(east, "west")) != 2 {
		t.Errorf("left %t, and holds %v of west: leaving alone drops nothing of others", east.Left(), said(east, "west"))
	}
	changed := east.Changed()
	east.Depart()
	if c := east.Capacity("west"); c.Endpoints != 0 || c.Meant == meant || !woken(changed) {
		t.Errorf("departed, and west has %+v; who waits is woken: %t", c, woken(changed))
	}
	if names, _, reaches := east.NamesSince(revision); !reaches || len(names) != 2 || len(east.Synced()) != 1 || !east.Complete() || east.Peers() != 0 {
		t.Errorf("departed: %v changed, %v are complete, all %t, %d peers", names, east.Synced(), east.Complete(), east.Peers())
	}
	changed = east.Changed()
	if east.Depart(); woken(changed) {
		t.Error("departed twice, which woke somebody")
	}

	catchUp(t, west, east, "west") // a frame that was on the way
	east.Depart()
	if !east.Head("west").Version.IsZero() || len(said(east, "west")) != 0 {
		t.Errorf("what came late stays: %v", said(east, "west"))
	}

	east.Return()
	if east.Complete() {
		t.Error("back, and nobody is waited for")
	}
	east.Announce(2, []*Export{web("east", "a")})
	west.Set(web("west", "c"))
	catchUp(t, west, east, "west")
	if east.Left() || len(said(east, "west")) != 3 || east.Version("west") != west.Version("west") || east.Peers() != 1 {
		t.Errorf("back: left %t, holds %v of west at %s", east.Left(), said(east, "west"), east.Version("west"))
	}
}

// What is held of a cluster that left by itself is left alone, and is not expected when this one is back.
func TestWhoLeftBeforeIsNotExpectedAgain(t *testing.T) {
	east, west := NewStore("east"), NewStore("west")
	east.Announce(1, nil)
	west.Announce(1, []*Export{web("west", "a")})
	west.Leave()
	catchUp(t, west, east, "west")
	east.Leave()
	east.Depart()
	east.Return()
	if !east.Complete() || east.Version("west").IsZero() {
		t.Errorf("complete %t, west is held at %s", east.Complete(), east.Version("west"))
	}
}

// A standby has nobody who says that its own cluster exports nothing more: its leader ends their stream.
func TestAStandbyDepartsWithItsOwnCluster(t *testing.T) {
	leader, standby := NewStore("own"), NewStore("own")
	leader.Announce(1, []*Export{web("own", "a")})
	catchUp(t, leader, standby, "own")
	standby.Depart()
	if len(said(standby, "own")) != 0 || !standby.Left() {
		t.Errorf("holds %v", said(standby, "own"))
	}
	leader.Leave()
	leader.Announce(2, []*Export{web("own", "a")})
	standby.Return()
	catchUp(t, leader, standby, "own")
	if len(said(standby, "own")) != 1 || standby.Left() {
		t.Errorf("back, and holds %v", said(standby, "own"))
	}
}

// A greater term that a peer holds is outbid, and does not bring a cluster back that has left.
func TestALeaverStaysOutInAnotherTerm(t *testing.T) {
	own := NewStore("own")
	own.Announce(1, []*Export{web("own", "a")})
	own.Leave()
	if !own.Renew(5) || !own.Left() || len(said(own, "own")) != 0 {
		t.Errorf("left %t, says %v", own.Left(), said(own, "own"))
	}
}
