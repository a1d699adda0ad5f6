package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	cancel context.CancelCauseFunc
	in     chan *wire.Frame
	mu     sync.Mutex
	sent   []*wire.Frame
	onSend func()
}

func (s *tape) Send(f *wire.Frame) error {
	if s.onSend != nil {
		s.onSend()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, f)
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

// take returns what was sent since it was last called.
func (s *tape) take() []*wire.Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

func newTape(t *testing.T) *tape {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return &tape{ctx: ctx, cancel: cancel, in: make(chan *wire.Frame)}
}

// linked returns a tape and the link of a store over it to a cluster, which is that to it.
func linked(t *testing.T, store *federation.Store, peer federation.ClusterID, role Role) (*tape, *link) {
	s := newTape(t)
	return s, New(Config{Store: store, Log: quiet}).newLink(s, peer, role, store.Self(), s.cancel)
}

// A large update does not make the peer believe that we are silent: heartbeats go between its frames.
func TestHeartbeatsGoBetweenTheFramesOfALargeUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		large := export("east", "web", addresses(40_000)...)
		for i := range large.Subsets[0].Endpoints {
			large.Subsets[0].Endpoints[i].Zone = fmt.Sprintf("%x", i*i*i*7919) // hard to compress
		}
		s, l := linked(t, newStore("east", large), "west", Peer)
		if err := l.handle(west()); err != nil {
			t.Fatal(err)
		}
		s.onSend = func() {
			time.Sleep(heartbeat)
			if err := l.handle(beat()); err != nil {
				t.Error(err)
			}
		}
		tick := time.NewTimer(nextBeat(time.Now()))
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
	})
}

// A peer whose connection is half open is given up after ten seconds; until then it hears us each second.
func TestSilentPeerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, l := linked(t, newStore("east"), "west", Peer)
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

// All streams beat at the same moments, the whole seconds, whenever they began and however slow one was.
func TestHeartbeatsAreAtWholeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		s, l := linked(t, newStore("east"), "west", Peer)
		var moving sync.WaitGroup
		moving.Go(func() { _ = l.run(s.ctx, &moving, func() error { return nil }) })
		s.in <- west()
		synctest.Wait()
		s.take()
		for i := range 8 {
			time.Sleep(time.Until(time.Now().Truncate(heartbeat).Add(heartbeat)))
			synctest.Wait()
			if sent := s.take(); len(sent) != 1 || sent[0].GetHeartbeat() == nil {
				t.Fatalf("second %d: %d frames", i, len(sent))
			}
			time.Sleep(heartbeat - 1)
			synctest.Wait()
			if sent := s.take(); len(sent) > 0 {
				t.Fatalf("after second %d: %d frames", i, len(sent))
			}
		}
		l.cancel(nil)
		moving.Wait()
	})
}

// Promise 7: a change goes out when it is made, not with the next tick: to a peer our own, to a standby all.
func TestChangeIsSentAtOnce(t *testing.T) {
	for role, hello := range map[Role]*wire.Frame{Peer: west(), Standby: hello("east", "east", 1, 1)} {
		synctest.Test(t, func(t *testing.T) {
			store := newStore("east")
			peer := federation.ClusterID(hello.GetHello().GetCluster())
			s, l := linked(t, store, peer, role)
			var moving sync.WaitGroup
			moving.Go(func() { _ = l.run(s.ctx, &moving, func() error { return nil }) })
			s.in <- hello
			synctest.Wait()
			s.take()
			began := time.Now()
			store.Set(export("east", "web", "10.0.0.1"))
			synctest.Wait()
			if sent := s.take(); len(sent) != 1 || sent[0].GetChunk() == nil || time.Since(began) != 0 {
				t.Errorf("%s: %d frames after %s", role, len(sent), time.Since(began))
			}
			if _, err := store.Apply(wholeSet("north", federation.Version{Term: 1, Seq: 1}, export("north", "web", "10.2.0.1"))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if sent := s.take(); (len(sent) == 1) != (role == Standby) || time.Since(began) != 0 {
				t.Errorf("%s: %d frames after another cluster's change", role, len(sent))
			}
			l.cancel(nil)
			moving.Wait()
		})
	}
}

// A peer that makes us answer, and does not read the answers, costs no memory: one answer waits.
func TestAnswersDoNotPileUp(t *testing.T) {
	_, l := linked(t, newStore("east"), "west", Peer)
	if err := l.handle(west()); err != nil {
		t.Fatal(err)
	}
	for seq := range uint64(1000) {
		gap := &federation.Update{Owner: "west", From: federation.Version{Term: 1, Seq: seq + 1}, To: federation.Version{Term: 1, Seq: seq + 2}}
		for _, f := range []*wire.Frame{says(t, gap), ask("west"), beat("west")} {
			if err := l.handle(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	answers := 0
	for f, err := l.next(); f != nil || err != nil; f, err = l.next() {
		if err != nil {
			t.Fatal(err)
		}
		if m := read(t, f); m.GetHashes() != nil {
			answers++
		}
	}
	if answers != 1 {
		t.Errorf("%d answers wait", answers)
	}
}

// read returns the message of a frame that is its only chunk.
func read(t *testing.T, f *wire.Frame) *wire.Message {
	t.Helper()
	var in inbox
	m, err := in.take(f.GetChunk())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refusing is a stream that the other side ended: to who sends, gRPC says that much, and to who receives why.
type refusing struct{ sent chan struct{} }

func (s *refusing) Send(*wire.Frame) error {
	close(s.sent)
	return io.EOF
}

func (s *refusing) Recv() (*wire.Frame, error) {
	<-s.sent
	synctest.Wait() // until the sender is through with it
	return nil, errNotLeading
}

// Why the other side ended a stream is known even if it is noticed in sending first.
func TestWhyAStreamEndedIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		l := New(Config{Store: newStore("east"), Log: quiet}).newLink(&refusing{make(chan struct{})}, "west", Peer, "east", cancel)
		var moving sync.WaitGroup
		if err := l.run(ctx, &moving, func() error { return nil }); !errors.Is(err, errNotLeading) {
			t.Errorf("ended with %v", err)
		}
		moving.Wait()
	})
}
