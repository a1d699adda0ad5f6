package federation

import "testing"

// Who falls silent withdraws all, says that it means it, takes no word of its own until it is announced anew, and stays
// a member.
func TestSilence(t *testing.T) {
	east, west := NewStore("east"), NewStore("west")
	east.Announce(1, []*Export{web("east", "a"), web("east", "b")})
	catchUp(t, east, west, "east")
	before := west.Capacity("east")

	changed := east.Changed()
	east.Silence()
	if !east.Silent() || east.Left() || !woken(changed) {
		t.Errorf("silent %t, left %t; who waits is woken: %t", east.Silent(), east.Left(), woken(changed))
	}
	east.Set(web("east", "c"))
	catchUp(t, east, west, "east")
	if c := west.Capacity("east"); len(said(west, "east")) != 0 || c.Meant == before.Meant || c.Left {
		t.Errorf("%v is held, and %+v after %+v", said(west, "east"), c, before)
	}
	changed = east.Changed()
	if east.Silence(); woken(changed) {
		t.Error("silent twice, which woke somebody")
	}
	if !east.Renew(5) || !east.Silent() || len(said(east, "east")) != 0 {
		t.Errorf("in another term: silent %t, says %v", east.Silent(), said(east, "east"))
	}

	east.Announce(6, []*Export{web("east", "a")})
	catchUp(t, east, west, "east")
	if east.Silent() || len(said(west, "east")) != 1 {
		t.Errorf("announced again: silent %t, %v is held", east.Silent(), said(west, "east"))
	}
}

// A term that begins in silence means it too, for who holds something of the term before.
func TestATermThatBeginsInSilenceMeansIt(t *testing.T) {
	east, west := NewStore("east"), NewStore("west")
	east.Announce(1, []*Export{web("east", "a"), web("east", "b")})
	catchUp(t, east, west, "east")
	before := west.Capacity("east").Meant

	again := NewStore("east")
	if !again.AnnounceSilence(2) || !again.Silent() {
		t.Fatal("not announced")
	}
	if again.AnnounceSilence(1) || again.Announce(2, nil) || !again.Silent() {
		t.Error("a term that was refused changed something")
	}
	catchUp(t, again, west, "east")
	if c := west.Capacity("east"); len(said(west, "east")) != 0 || c.Meant == before {
		t.Errorf("%v is held, and %+v", said(west, "east"), c)
	}
}

// Who does not lead cannot fall silent.
func TestOnlyALeaderFallsSilent(t *testing.T) {
	east := NewStore("east")
	east.Announce(1, []*Export{web("east", "a")})
	east.Follow()
	if east.Silence(); east.Silent() || len(said(east, "east")) != 1 {
		t.Errorf("silent %t, says %v", east.Silent(), said(east, "east"))
	}
}

// What another agent of the cluster announces meanwhile ends a silence: who leads again has to say it anew.
func TestASilenceIsOfWhoLeads(t *testing.T) {
	first, second := NewStore("east"), NewStore("east")
	first.Announce(1, []*Export{web("east", "a")})
	first.Silence()
	first.Follow()
	second.Announce(2, []*Export{web("east", "a")})
	catchUp(t, second, first, "east")
	if first.Silent() || len(said(first, "east")) != 1 {
		t.Errorf("silent %t, says %v", first.Silent(), said(first, "east"))
	}
}
