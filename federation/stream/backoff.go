package stream

import (
	"math/rand/v2"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 10 * time.Second
	// backoffReset is how long a stream must have lasted for the next attempt to start afresh.
	backoffReset = 5 * time.Second
)

// backoff doubles the wait between attempts, up to backoffMost, with jitter so that members do not dial in
// step.
type backoff struct{ last time.Duration }

// next returns how long to wait before the next attempt.
func (b *backoff) next() time.Duration {
	b.last = min(max(backoffFirst, 2*b.last), backoffMost)
	return b.last/2 + rand.N(b.last/2)
}
