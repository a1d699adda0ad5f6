package election

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// The Lease is not given back while anybody writes, however long that takes.
func TestTheLeaseIsReleasedAfterTheLastWrite(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		lead, done, stint, err := a.Lead(w.Context())
		if err != nil || stint != 1 {
			w.Fatalf("stint %d, %v", stint, err)
		}
		stopped := make(chan struct{})
		go func() { a.stop(); close(stopped) }()
		<-lead.Done()
		if !errors.Is(context.Cause(lead), errStopping) {
			w.Errorf("ended because %v", context.Cause(lead))
		}
		a.wants(false, 1, a.identity())
		time.Sleep(time.Second)
		if l := w.memory.read(); holder(l) == "" {
			w.Error("released while a write is under way")
		}
		done()
		done() // once more does no harm
		<-stopped
		if l := w.memory.read(); holder(l) != "" {
			w.Errorf("the Lease is left to %q", holder(l))
		}
		a.wants(false, 1, nobody)
	})
}

type key struct{}

func TestLeadWaitsForItsTurnOrForItsContext(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		why := errors.New("enough")
		ctx, cancel := context.WithCancelCause(w.Context())
		failed := make(chan error)
		go func() { _, _, _, err := b.Lead(ctx); failed <- err }()
		synctest.Wait()
		cancel(why)
		if err := <-failed; !errors.Is(err, why) {
			w.Errorf("ended because %v", err)
		}
		lead, done, _, err := a.Lead(context.WithValue(w.Context(), key{}, "v"))
		if err != nil || lead.Value(key{}) != "v" {
			w.Errorf("the context of a leader is not derived from the caller's: %v", err)
		}
		done()
		if lead.Err() == nil {
			w.Error("a context goes on after done")
		}
		a.stop()
		ctx, cancel = context.WithCancelCause(w.Context())
		defer cancel(nil)
		go func() { _, _, _, err := a.Lead(ctx); failed <- err }()
		synctest.Wait()
		select {
		case err := <-failed:
			w.Errorf("who stopped leads, or %v", err)
		default:
		}
		cancel(why)
		<-failed
	})
}

// A Standing that ran out is over at that moment, and not once somebody found the time to publish it.
func TestAStandingRunsOutByItself(t *testing.T) {
	p := newPost()
	p.publish(Standing{Leading: true, Stint: 1}, at(7), at(0), errNotLeading)
	if !p.now(at(6.9)).Leading || p.now(at(7)).Leading {
		t.Error("want that it leads until 7 s")
	}
	if _, _, _, ok := p.join(t.Context(), at(7)); ok {
		t.Error("joined a stint that ran out")
	}
	lead, done, _, ok := p.join(t.Context(), at(6))
	if !ok {
		t.Fatal("cannot join")
	}
	defer done()
	changed := p.now(at(7)).Changed
	p.publish(Standing{Leading: true, Stint: 1}, at(15), at(8), errNotLeading)
	select {
	case <-changed:
	default:
		t.Error("who waits until it leads again waits for ever")
	}
	if lead.Err() == nil {
		t.Error("a write went on through a freeze")
	}
	if s := p.now(at(8)); !s.Leading {
		t.Errorf("%+v, want that it leads again", s)
	}
}
