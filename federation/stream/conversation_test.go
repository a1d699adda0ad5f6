package stream

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// end is one side of a conversation without a network: frames wait in the other side's inbox until the
// script delivers them.
type end struct {
	store   *federation.Store
	session *Session
	inbox   []*wire.Frame
	peer    *end
}

// talk returns both ends of a new stream, whose hellos are on the way.
func talk(a, b *federation.Store) (*end, *end) {
	x, y := &end{store: a}, &end{store: b}
	x.peer, y.peer = y, x
	x.reconnect()
	return x, y
}

// reconnect ends the stream, with all that is on the way, and begins a new one.
func (e *end) reconnect() {
	for _, e := range []*end{e, e.peer} {
		e.session = NewSession(e.store, e.peer.store.Self(), epoch)
		e.peer.inbox = []*wire.Frame{e.session.Hello()}
	}
}

// send puts the next frame on the way and reports whether there was one.
func (e *end) send(t *testing.T) bool {
	t.Helper()
	f, err := e.session.Next()
	if err != nil {
		t.Fatal(err)
	}
	if f != nil {
		e.peer.inbox = append(e.peer.inbox, f)
	}
	return f != nil
}

// receive handles the next frame on the way and reports whether there was one.
func (e *end) receive(t *testing.T) bool {
	t.Helper()
	if len(e.inbox) == 0 {
		return false
	}
	f := e.inbox[0]
	e.inbox = e.inbox[1:]
	reply, refused, err := e.session.Handle(f, epoch)
	if err != nil || len(refused) > 0 {
		t.Fatalf("%s: refused %v, error %v", e.store.Self(), refused, err)
	}
	if reply != nil {
		e.peer.inbox = append(e.peer.inbox, reply)
	}
	return true
}

// settle goes on until neither has anything to say.
func (e *end) settle(t *testing.T) {
	t.Helper()
	for e.send(t) || e.receive(t) || e.peer.send(t) || e.peer.receive(t) {
	}
}

// agrees fails unless the peer holds just what e says of itself.
func (e *end) agrees(t *testing.T) {
	t.Helper()
	self := e.store.Self()
	mine, theirs := e.store.Since(self, federation.Version{}), e.peer.store.Since(self, federation.Version{})
	if theirs == nil || !sameUpdate(mine, theirs) {
		t.Fatalf("%s says\n%+v\n%s holds\n%+v", self, mine, e.peer.store.Self(), theirs)
	}
}

func TestBothSidesLearnEverything(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west", export("west", "web", "10.1.0.1"), export("west", "api")))
	a.settle(t)
	a.agrees(t)
	b.agrees(t)
	b.store.Withdraw(webName)
	a.settle(t)
	b.agrees(t)
}

// While a peer is not asked for frames, its changes meet in one update, in which the newest wins.
func TestChangesMeetWhileThePeerIsSlow(t *testing.T) {
	a, b := talk(newStore("east"), newStore("west"))
	a.settle(t)
	for i := range 1000 {
		a.store.Set(export("east", "web", fmt.Sprintf("10.0.0.%d", i%250+1)))
		a.store.Set(export("east", "gone", fmt.Sprintf("10.0.0.%d", i%250+1)))
		a.store.Withdraw(export("east", "gone").Name)
	}
	if !a.send(t) || a.send(t) {
		t.Fatal("not one frame")
	}
	u, _, err := decodeUpdate(b.inbox[0].GetChunk().GetData())
	if err != nil || u.Whole() || len(u.Put) != 1 || len(u.Withdrawn) != 1 {
		t.Fatalf("update %+v, error %v", u, err)
	}
	a.settle(t)
	a.agrees(t)
}

// A stream that goes on where the last one ended sends nothing again.
func TestNewStreamGoesOnWhereTheLastEnded(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	a.store.Set(export("east", "api"))
	a.reconnect()
	b.receive(t)
	a.receive(t)
	if !a.send(t) || a.send(t) || b.send(t) {
		t.Fatal("want one frame from east alone")
	}
	u, _, err := decodeUpdate(b.inbox[0].GetChunk().GetData())
	if err != nil || u.Whole() || len(u.Put) != 1 || u.Put[0].Name.Name != "api" {
		t.Fatalf("update %+v, error %v", u, err)
	}
	a.settle(t)
	a.agrees(t)
}

// An update that does not join on is answered with what is held, and then the rest comes.
func TestGapIsHealedByAsking(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	before := a.store.Version("east")
	a.store.Set(export("east", "lost"))
	lost := a.store.Version("east")
	a.session.sent = lost // as if west had it
	a.store.Set(export("east", "api"))
	a.send(t)
	b.receive(t)
	if len(a.inbox) != 1 || decodeVersion(a.inbox[0].GetHave().GetVersion()) != before || b.store.Version("east") != before {
		t.Fatalf("answered with %v at %s", a.inbox, b.store.Version("east"))
	}
	a.settle(t)
	a.agrees(t)
}

// Who lost everything meanwhile is told everything.
func TestGapOfALostPositionBringsTheWholeSet(t *testing.T) {
	a, b := talk(newStore("east", export("east", "web", "10.0.0.1")), newStore("west"))
	a.settle(t)
	b.store = newStore("west")
	b.session.store = b.store
	a.store.Set(export("east", "api"))
	a.settle(t)
	a.agrees(t)
}

// An update that is broken off by a new one leaves no trace of itself.
func TestBrokenOffUpdateIsForgotten(t *testing.T) {
	store := newStore("east")
	s := NewSession(store, "west", epoch)
	broken := says(t, wholeSet("west", federation.Version{Term: 1, Seq: 1}, export("west", "broken", "10.0.0.1"))).GetChunk().GetData()
	whole := says(t, wholeSet("west", federation.Version{Term: 1, Seq: 2}, export("west", "web", "10.0.0.1"))).GetChunk().GetData()
	err := handleAll(s, west(),
		chunk(broken[:len(broken)/2], true, false), beat(), chunk(whole[:9], true, false), beat(), chunk(whole[9:], false, true))
	if err != nil || len(store.Exports(webName)) != 1 || store.Version("west").Seq != 2 {
		t.Errorf("error %v, held %v at %s", err, store.Exports(webName), store.Version("west"))
	}
}

// A peer that asks anew in the middle of an update gets a new one from its start.
func TestAskingAnewBreaksOffTheUpdate(t *testing.T) {
	var addresses []string
	for i := range 20_000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	a, b := talk(newStore("east", export("east", "web", addresses...)), newStore("west"))
	a.receive(t)
	a.send(t)
	a.send(t)
	a.inbox = []*wire.Frame{have("east", federation.Version{})}
	a.receive(t)
	a.send(t)
	if n := len(b.inbox); n != 4 || !b.inbox[n-1].GetChunk().GetFirst() {
		t.Fatalf("hello and three chunks, the last one anew: %d frames", n)
	}
	a.settle(t)
	a.agrees(t)
	b.agrees(t)
}

// Promise 4: changes, slow frames, broken streams and new terms at random moments; in the end each side
// holds just what the other says. Every seed plays the same again.
func TestSidesAgreeWhateverHappensOnTheWay(t *testing.T) {
	r := random(t)
	for range 40 {
		a, b := talk(newStore("east"), newStore("west"))
		for range 300 {
			chance(t, r, pick(r, a, b))
		}
		a.settle(t)
		a.agrees(t)
		b.agrees(t)
	}
}

func chance(t *testing.T, r *rand.Rand, e *end) {
	self := e.store.Self()
	switch n := r.IntN(100); {
	case n < 20:
		e.store.Set(anyExport(r, self, fmt.Sprintf("s-%d", r.IntN(5))))
	case n < 25:
		e.store.Withdraw(federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s-%d", r.IntN(5))})
	case n < 28:
		e.store.Announce(e.store.Version(self).Term+1, []*federation.Export{anyExport(r, self, "s-0")})
	case n < 31:
		e.reconnect()
	case n < 65:
		e.send(t)
	default:
		e.receive(t)
	}
}
