package xds

import (
	"runtime"
	"sync"
)

// turns are the streams that have something to do, in the order in which they got it. A few workers serve them: when a
// change concerns thousands of streams, all else that this process has to do, hearing its peers among it, does not queue
// behind these for a core, and no goroutine is woken for each of them.
type turns struct {
	mu    sync.Mutex
	some  sync.Cond // somebody came into the queue, or it ended
	queue []*turn
	ended bool
}

// turn is the place of one stream among others. The lock of turns guards it.
type turn struct {
	do    func() // what a worker does, waiting for no client: rest follows it, at once or later
	phase phase
	again bool // it was rung since its turn began
}

// phase is what a stream does.
type phase int

const (
	idle   phase = iota // it has nothing to do
	queued              // it waits for a worker
	busy                // it had one, and did not rest since
	over                // it ended
)

func newTurns() *turns {
	t := &turns{}
	t.some.L = &t.mu
	return t
}

// workers leaves a core to the others where there is another.
func workers() int { return max(1, runtime.GOMAXPROCS(0)-1) }

// work serves streams until the queue ended.
func (t *turns) work() {
	for turn := t.take(); turn != nil; turn = t.take() {
		turn.do()
	}
}

// take returns the stream that has waited longest. It blocks while there is none, and returns nil at the end.
func (t *turns) take() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		for len(t.queue) == 0 {
			if t.ended {
				return nil
			}
			t.some.Wait()
		}
		first := t.queue[0]
		t.queue[0] = nil
		if t.queue = t.queue[1:]; first.phase == queued {
			first.phase = busy
			return first
		}
	}
}

// ring gives a stream a turn.
func (t *turns) ring(c *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch c.phase {
	case idle:
		t.enqueue(c)
	case busy:
		c.again = true
	}
}

// rest ends a turn; more says that there is something left to do.
func (t *turns) rest(c *turn, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c.phase = idle; more || c.again {
		t.enqueue(c)
	}
}

// leave ends a stream: it gets no turn any more.
func (t *turns) leave(c *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.phase = over
}

func (t *turns) enqueue(c *turn) {
	c.phase, c.again = queued, false
	t.queue = append(t.queue, c)
	t.some.Signal()
}

// end lets the workers go once the queue is empty.
func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.some.Broadcast()
}
