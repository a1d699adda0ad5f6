package stream

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// tape is a stream that keeps what is sent on it, and from which frames come as the test hands them in.
type tape struct {
	ctx    context.Context
	in     chan *wire.Frame
	mu     sync.Mutex
	sent   []*wire.Frame
	onSend func()
}

func (s *tape) Send(f *wire.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, f)
	if s.onSend != nil {
		s.onSend()
	}
	return s.ctx.Err()
}

func (s *tape) Recv() (*wire.Frame, error) {
	select {
	case f := <-s.in:
		return f, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// newTape returns a tape and the link of east to west over it.
func newTape(t *testing.T, store *federation.Store) (*tape, *link) {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	s := &tape{ctx: ctx, in: make(chan *wire.Frame)}
	return s, newLink(s, store, "west", "east", quiet, cancel)
}

// A large update does not make the peer believe that we are silent: heartbeats go between its frames.
func TestHeartbeatsGoBetweenTheFramesOfALargeUpdate(t *testing.T) {
	var addresses []string
	for i := range 20_000 {
		addresses = append(addresses, fmt.Sprintf("10.%d.%d.1", i/250, i%250))
	}
	s, l := newTape(t, newStore("east", export("east", "web", addresses...)))
	if err := l.handle(west()); err != nil {
		t.Fatal(err)
	}
	tick := make(chan time.Time, 1)
	s.onSend = func() {
		select {
		case tick <- time.Now():
		default:
		}
	}
	if err := l.flush(tick); err != nil {
		t.Fatal(err)
	}
	if len(s.sent) < 8 {
		t.Fatalf("%d frames", len(s.sent))
	}
	for i, f := range s.sent {
		if (f.GetHeartbeat() != nil) != (i%2 == 1) {
			t.Errorf("frame %d is %T", i, f.GetKind())
		}
	}
}

// A peer whose connection is half open is given up after ten seconds; until then it hears us each second.
func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := newTape(t, newStore("east"))
		var moving sync.WaitGroup
		began := time.Now()
		err := l.run(s.ctx, &moving, func() error { t.Error("accepted without a hello"); return nil })
		moving.Wait()
		if took := time.Since(began); err == nil || took != silence+heartbeat {
			t.Errorf("given up after %s: %v", took, err)
		}
		if len(s.sent) != 1+int(silence/heartbeat) || s.sent[0].GetHello() == nil {
			t.Errorf("%d frames were sent", len(s.sent))
		}
	})
}

// Promise 7: a change goes out when it is made, not with the next tick.
func TestChangeIsSentAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newStore("east")
		s, l := newTape(t, store)
		var moving sync.WaitGroup
		moving.Go(func() { _ = l.run(s.ctx, &moving, func() error { return nil }) })
		s.in <- west()
		synctest.Wait()
		s.mu.Lock()
		s.sent = nil
		s.mu.Unlock()
		began := time.Now()
		store.Set(export("east", "web", "10.0.0.1"))
		synctest.Wait()
		s.mu.Lock()
		if len(s.sent) != 1 || s.sent[0].GetChunk() == nil || time.Since(began) != 0 {
			t.Errorf("%d frames after %s", len(s.sent), time.Since(began))
		}
		s.mu.Unlock()
		l.cancel(nil)
		moving.Wait()
	})
}

// A peer that makes us answer, and does not read the answers, costs no memory: the newest answer waits.
func TestAnswersDoNotPileUp(t *testing.T) {
	_, l := newTape(t, newStore("east"))
	if err := l.handle(west()); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(1000) {
		gap := &federation.Update{Owner: "west", From: federation.Version{Term: 1, Seq: seq + 1}, To: federation.Version{Term: 1, Seq: seq + 2}}
		if err := l.handle(says(t, gap)); err != nil {
			t.Fatal(err)
		}
	}
	answers := 0
	for f, err := l.next(); f.GetHave() != nil || err != nil; f, err = l.next() {
		if err != nil {
			t.Fatal(err)
		}
		answers++
	}
	if answers != 1 {
		t.Errorf("%d answers wait", answers)
	}
}
