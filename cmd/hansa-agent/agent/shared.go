package agent

import (
	"context"
	"time"
)

// shared asks a question for many: one answer serves all who saw what makes them ask before it was asked. Who
// comes while it is being asked waits for the next one.
type shared[T any] struct {
	ask  func(context.Context) (T, error)
	turn chan struct{} // holds the right to ask, and to the fields below

	asked  time.Time
	answer T
	err    error
}

func newShared[T any](ask func(context.Context) (T, error)) *shared[T] {
	s := &shared[T]{ask: ask, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s
}

// get returns the answer to a question that was asked after seen. An error is an answer as well, but for that of
// a ctx that ended.
func (s *shared[T]) get(ctx context.Context, seen time.Time) (T, error) {
	select {
	case <-s.turn:
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
	defer func() { s.turn <- struct{}{} }()
	if s.asked.After(seen) {
		return s.answer, s.err
	}
	asked := time.Now()
	answer, err := s.ask(ctx)
	if ctx.Err() == nil {
		s.asked, s.answer, s.err = asked, answer, err
	}
	return answer, err
}
