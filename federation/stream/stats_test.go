package stream

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// How old a change is when it is taken is told once for each update, with its last part; clocks that are wrong do not
// make it negative, or older than a day.
func TestHowOldAChangeIsIsTold(t *testing.T) {
	type told struct {
		owner federation.ClusterID
		age   time.Duration
	}
	one, two := federation.Version{Term: 1, Seq: 1}, federation.Version{Term: 1, Seq: 2}
	for about, c := range map[string]struct {
		at   time.Time
		want []told
	}{
		"a change":               {epoch.Add(-40 * time.Millisecond), []told{{"west", 40 * time.Millisecond}}},
		"of a clock ahead":       {epoch.Add(time.Hour), []told{{"west", 0}}},
		"of a clock behind":      {epoch.AddDate(-1, 0, 0), []told{{"west", maxAge}}},
		"at a time not given":    {time.Time{}, nil},
		"at an impossible time":  {time.UnixMilli(1 << 53), nil},
		"at the beginning of it": {time.UnixMilli(1), []told{{"west", maxAge}}},
	} {
		s := NewSession(newStore("east"), "west", Peer, epoch)
		var got []told
		s.changed = func(owner federation.ClusterID, age time.Duration) { got = append(got, told{owner, age}) }
		part := &federation.Update{Owner: "west", To: one, At: c.at, More: true}
		if err := handleAll(s, west(), says(t, part)); err != nil || got != nil {
			t.Errorf("%s, a part: error %v, told %v", about, err, got)
		}
		last := wholeSet("west", one, export("west", "web"))
		last.At = c.at
		if err := handleAll(s, says(t, last)); err != nil || len(got) != len(c.want) || len(got) > 0 && got[0] != c.want[0] {
			t.Errorf("%s: error %v, told %v, want %v", about, err, got, c.want)
		}
		gap := &federation.Update{Owner: "west", From: two, To: two, At: c.at}
		if err := handleAll(s, says(t, gap)); err != nil || len(got) > len(c.want) {
			t.Errorf("%s, not taken: error %v, told %v", about, err, got)
		}
	}
}

// When the owner made a change is known behind a leader, too, by way of parts and of patches, and is that of the
// oldest change where many met.
func TestWhenAChangeWasMadeIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Until(epoch.Add(-time.Hour)))
		set := many("west", 20)
		a, b := talk(newStore("west", set...), newStore("east"))
		x, standby := feed(b.store, federation.NewStore("east"))
		a.part, b.part, x.part = smallPart, smallPart, smallPart
		a.reconnect()
		x.reconnect()
		a.settle(t)
		x.settle(t)
		oldest := time.Now()
		for i := range set {
			a.store.Set(flipped(set[i], 0))
			time.Sleep(time.Second)
		}
		var ages []time.Duration
		note := func(_ federation.ClusterID, age time.Duration) { ages = append(ages, age) }
		b.session.changed, standby.session.changed = note, note
		a.settle(t)
		x.settle(t)
		agree(t, a.store, standby.store, "west")
		if want := epoch.Sub(oldest); !slices.Equal(ages, []time.Duration{want, want}) {
			t.Errorf("told %v, want %s twice", ages, want)
		}
	})
}

// What goes over the streams with each cluster is counted, and what is refused, by reason.
func TestTrafficIsCounted(t *testing.T) {
	store := federation.NewStoreWithin("east", federation.Limits{Services: 3})
	store.Announce(1, many("east", 2))
	x := New(Config{Store: store, Log: quiet})
	for range 2 {
		l := x.newLink(newTape(t), "west", Peer, "east", nil)
		future := federation.Head{Version: federation.Version{Term: 1 << 63, Seq: 1}}
		set := wholeSet("west", federation.Version{Term: 1, Seq: 1}, many("west", 5)...)
		m := encodeUpdate(set)
		m.Put[0].Type = 0
		for _, f := range []*wire.Frame{westHas(future), packed(t, &wire.Message{Kind: &wire.Message_Update{Update: m}}), ask("west")} {
			if err := l.handle(f); err != nil {
				t.Fatal(err)
			}
		}
		l.session.sender.to("east").has = federation.Head{}
		if err := l.flush(time.NewTimer(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	got := x.Totals()["west"]
	if got.Received.Frames != 6 || got.Received.Records != 8 || got.Received.Bytes < 1000 {
		t.Errorf("received: %+v", got)
	}
	if got.Refused != (Refused{Limit: 2, Invalid: 2, Term: 2}) {
		t.Errorf("refused: %+v", got.Refused)
	}
	if got.Sent.Frames != 4 || got.Sent.Records != 4 || got.Sent.Hashes != 6 || got.Sent.Bytes < 300 {
		t.Errorf("sent: %+v", got.Sent)
	}
	if len(x.Totals()) != 1 {
		t.Errorf("counted of %d clusters", len(x.Totals()))
	}
}

// How far each side of a stream is, as it last said, is known while the stream is up, and of no other.
func TestStreamsSayHowFarEachSideIs(t *testing.T) {
	x := New(Config{Store: newStore("east", many("east", 2)...), Log: quiet})
	head := x.config.Store.Head("east")
	theirs := federation.Head{Version: federation.Version{Term: 3, Seq: 4}, Digest: 5, Records: 6}
	for role, cluster := range map[Role]federation.ClusterID{Peer: "west", Standby: "east"} {
		l := x.newLink(newTape(t), cluster, role, cluster, nil)
		x.links.open(l)
		if len(x.Streams()) != 0 {
			t.Errorf("before the hello: %+v", x.Streams())
		}
		hello := westHas(theirs) // something else than ours, at first
		hello.GetHello().Cluster = string(cluster)
		if err := l.handle(hello); err != nil {
			t.Fatal(err)
		}
		if s := x.Streams(); len(s) != 1 || s[0].Peer != cluster || s[0].Role != role || s[0].Acked != theirs || len(s[0].Theirs) > 0 {
			t.Errorf("after the hello: %+v", s)
		}
		if role == Peer {
			beat := &wire.Heartbeat{Heads: []*wire.Head{encodeHead("west", theirs)}, Have: encodeHead("east", head)}
			if err := l.handle(&wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: beat}}); err != nil {
				t.Fatal(err)
			}
			if s := x.Streams(); s[0].Acked != head || s[0].Theirs["west"] != theirs {
				t.Errorf("after a heartbeat: %+v", s)
			}
		}
		delete(x.links.all, l)
	}
}
