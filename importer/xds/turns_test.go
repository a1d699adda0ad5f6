package xds

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestStreamsAreServedInTurn(t *testing.T) {
	turns := newTurns()
	var served []string
	want := func(what string, names ...string) {
		t.Helper()
		for len(turns.queue) > 0 {
			if c := turns.take(); c != nil {
				c.do()
			}
		}
		if !slices.Equal(served, names) {
			t.Errorf("%s: %v were served, want %v", what, served, names)
		}
		served = nil
	}
	stream := func(name string) *turn { return &turn{do: func() { served = append(served, name) }} }
	a, b, c := stream("a"), stream("b"), stream("c")
	for _, s := range []*turn{b, a, c, a} {
		turns.ring(s)
	}
	want("each once, in the order in which they were rung", "b", "a", "c")
	turns.ring(b)
	turns.rest(a, false)
	want("one that is busy, and one that has nothing to do")
	turns.rest(c, true)
	turns.rest(b, false)
	want("one has more to do, one was rung while it was busy", "c", "b")
	turns.rest(b, false)
	turns.rest(c, false)
	turns.ring(b)
	turns.ring(c)
	turns.leave(b)
	turns.ring(b)
	want("one that ended while it waited", "c")
	turns.leave(c)
	turns.ring(a)
	turns.end()
	want("what waited at the end is served", "a")
	if turns.take() != nil {
		t.Error("somebody waits after the end")
	}
}

func TestWorkersWaitForStreamsAndForTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var ended atomic.Int32
		for range 2 {
			go func() {
				turns.work()
				ended.Add(1)
			}()
		}
		done := make(chan struct{}, 1)
		c := &turn{do: func() { done <- struct{}{} }}
		synctest.Wait()
		turns.ring(c)
		<-done
		if synctest.Wait(); ended.Load() != 0 {
			t.Error("a worker ended before the end")
		}
		turns.end()
		if synctest.Wait(); ended.Load() != 2 {
			t.Errorf("%d workers ended, want 2", ended.Load())
		}
	})
}
