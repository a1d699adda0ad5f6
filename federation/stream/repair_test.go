package stream

import (
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// strayed returns a conversation in which west came to hold another set of east at the same version.
func strayed(t *testing.T) (*end, *end) {
	t.Helper()
	a, b := talk(newStore("east", many("east", 9)...), newStore("west"))
	a.settle(t)
	other := newStore("east", append(many("east", 8), export("east", "stray", "10.0.0.1"))...)
	u := other.SeenBy(other.Self()).Against("east", b.store.Hashes("east"))
	u.To = b.store.Version("east")
	if refused, err := b.store.Apply(u); err != nil || len(refused) > 0 || a.store.Head("east").Version != b.store.Head("east").Version {
		t.Fatalf("refused %v, error %v", refused, err)
	}
	return a, b
}

// The same version with another digest is found with the next heartbeat, and put right: only what differs is sent.
func TestDivergenceIsFoundByAHeartbeat(t *testing.T) {
	a, b := strayed(t)
	a.settle(t)
	if a.store.Head("east") == b.store.Head("east") {
		t.Fatal("nothing strayed")
	}
	a.beat(t)
	b.receive(t)
	b.send(t)
	a.receive(t)
	a.send(t)
	if list := b.updates(t); len(list) != 1 || len(list[0].Put) != 1 || len(list[0].Stale) != 1 {
		t.Errorf("updates %+v", list)
	}
	a.settle(t)
	a.agrees(t)
}

// While an answer to hashes is on the way no more are told, whatever comes.
func TestOneRepairAtATime(t *testing.T) {
	a, b := strayed(t)
	for range 100 {
		a.beat(t)
	}
	for b.receive(t) {
	}
	for b.send(t) {
	}
	if told := a.messages(t); len(told) != 1 {
		t.Errorf("hashes were told %d times", len(told))
	}
	a.settle(t)
	a.agrees(t)
	if b.session.receiver.takes["east"].repairs != 1 {
		t.Errorf("%d repairs are counted", b.session.receiver.takes["east"].repairs)
	}
	a.resettle(t)
	if b.session.receiver.takes["east"].repairs != 0 {
		t.Error("the repair that went well still counts")
	}
}

// A peer with which no repair helps is given up after some: its updates do not lead where they say.
func TestAPeerWhoseUpdatesLeadNowhereIsGivenUp(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", Peer, epoch)
	wrong := wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web", "10.0.0.1"))
	wrong.Digest++
	if err := handleAll(s, west()); err != nil {
		t.Fatal(err)
	}
	for i := range maxRepairs {
		if err := handleAll(s, says(t, wrong)); err != nil {
			t.Fatalf("after %d repairs: %v", i, err)
		}
		if f, err := s.Next(); err != nil || f.GetChunk() == nil {
			t.Fatalf("repair %d: frame %v, error %v", i, f, err)
		}
		drain(t, s)
	}
	err := handleAll(s, says(t, wrong))
	if err == nil || !strings.Contains(err.Error(), "repaired 4 times in vain: update of west to 1.1 leads to another digest") {
		t.Errorf("error %v", err)
	}
	if !store.Version("west").IsZero() || store.Exports(webName) != nil {
		t.Errorf("it left traces: %+v", store.Owners())
	}
}

// A peer that goes on saying another digest than its updates lead to is given up, too.
func TestAPeerWhoseHeartbeatsLieIsGivenUp(t *testing.T) {
	s := NewSession(newStore("east"), "west", Peer, epoch)
	right := wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "web", "10.0.0.1"))
	lie := &wire.Frame{Kind: &wire.Frame_Heartbeat{Heartbeat: &wire.Heartbeat{
		Heads: []*wire.Head{encodeHead("west", federation.Head{Version: right.To, Digest: right.Digest + 1, Records: 1})},
	}}}
	if err := handleAll(s, west(), says(t, right)); err != nil {
		t.Fatal(err)
	}
	for i := range maxRepairs {
		if err := handleAll(s, lie); err != nil {
			t.Fatalf("after %d repairs: %v", i, err)
		}
		if n := drain(t, s); n == 0 {
			t.Fatalf("repair %d: no hashes were told", i)
		}
		if err := handleAll(s, says(t, right)); err != nil {
			t.Fatal(err)
		}
	}
	if err := handleAll(s, lie); err == nil || !strings.Contains(err.Error(), "repaired 4 times in vain: the sets of west at 1.1 differ") {
		t.Errorf("error %v", err)
	}
}

// A peer that strays each time anew is put right each time.
func TestRepairsThatHelpAreNotHeldAgainstAPeer(t *testing.T) {
	a, b := strayed(t)
	for i := range 3 * maxRepairs {
		a.resettle(t)
		a.agrees(t)
		a.store.Set(flipped(many("east", 9)[0], i%2))
		a.settle(t)
		u := newStore("east").SeenBy(newStore("east").Self()).Against("east", b.store.Hashes("east"))
		u.To = b.store.Version("east")
		if _, err := b.store.Apply(u); err != nil {
			t.Fatal(err)
		}
	}
	a.resettle(t)
	a.agrees(t)
}

// drain takes all that a session has to say and returns how many frames that is.
func drain(t testing.TB, s *Session) (n int) {
	t.Helper()
	for {
		f, err := s.Next()
		if err != nil {
			t.Fatal(err)
		}
		if f == nil {
			return n
		}
		n++
	}
}
