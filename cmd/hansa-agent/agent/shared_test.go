package agent

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// question takes a second to answer, each time by the number of the time.
type question struct {
	asked int
	fails error
}

func (q *question) ask(ctx context.Context) (int, error) {
	q.asked++
	answer, err := q.asked, q.fails
	select {
	case <-time.After(time.Second):
		return answer, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

type result struct {
	answer int
	err    error
}

// many has a thousand ask about what was seen a moment ago, and returns where the answers come.
func many(ctx context.Context, s *shared[int]) <-chan result {
	seen := time.Now()
	time.Sleep(time.Nanosecond)
	return manySince(ctx, s, seen)
}

func manySince(ctx context.Context, s *shared[int], seen time.Time) <-chan result {
	results := make(chan result, 1000)
	for range cap(results) {
		go func() {
			answer, err := s.get(ctx, seen)
			results <- result{answer, err}
		}()
	}
	return results
}

func expect(t *testing.T, what string, results <-chan result, want result) {
	t.Helper()
	for range cap(results) {
		if got := <-results; got.answer != want.answer || !errors.Is(got.err, want.err) {
			t.Fatalf("%s: got %+v, want %+v", what, got, want)
		}
	}
}

// One question answers all that was seen before it, and nothing that was seen since: that waits for the next one.
func TestOneAnswerIsForAllThatWasSeenBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &question{}
		s := newShared(q.ask)
		before := time.Now()
		first := many(t.Context(), s)
		synctest.Wait()
		second := many(t.Context(), s)
		third := many(t.Context(), s)
		expect(t, "a burst", first, result{1, nil})
		expect(t, "those who came meanwhile", second, result{2, nil})
		expect(t, "those who came with them", third, result{2, nil})
		if answer, err := s.get(t.Context(), before); answer != 2 || err != nil {
			t.Errorf("what was seen long before is answered by %d, %v", answer, err)
		}
		if answer, err := s.get(t.Context(), time.Now()); answer != 3 || err != nil {
			t.Errorf("what was seen since is answered by %d, %v", answer, err)
		}
	})
}

// Those who are refused an answer together do not each ask again, but anew they may.
func TestAnErrorIsAnAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy := errors.New("busy")
		q := &question{fails: busy}
		s := newShared(q.ask)
		expect(t, "a burst", many(t.Context(), s), result{1, busy})
		q.fails = nil
		expect(t, "another", many(t.Context(), s), result{2, nil})
	})
}

// Who stops waiting has asked for nobody: the others are answered as if that one had not been.
func TestWhoStopsWaitingTakesNothingFromOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &question{}
		s := newShared(q.ask)
		impatient, stop := context.WithCancel(t.Context())
		seen := time.Now()
		time.Sleep(time.Nanosecond)
		gone := manySince(impatient, s, seen)
		synctest.Wait()
		patient := manySince(t.Context(), s, seen)
		synctest.Wait()
		stop()
		expect(t, "the impatient", gone, result{0, context.Canceled})
		expect(t, "the patient", patient, result{2, nil})
	})
}
