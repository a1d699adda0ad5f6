package xds

import (
	"runtime"
	"sync"
)

// turns lets only so many streams at a time make up what they send. When a change concerns thousands of them, they are not
// woken all at once but one behind the other: else all that this process has to do, hearing its peers among it, would have
// to queue behind them for a core. A stream that sends has no turn, so one whose client does not read keeps nobody
// waiting.
type turns struct {
	mu    sync.Mutex
	free  int
	queue []*mailbox // that wait for a turn
}

// phase is what a stream does.
type phase int

const (
	idle    phase = iota // it has nothing to do
	queued               // it waits for a turn
	running              // it has one
	sending              // it had one
	over                 // it ended
)

// newTurns leaves a core to the others where there is another.
func newTurns() *turns { return &turns{free: max(1, runtime.GOMAXPROCS(0)-1)} }

// ring gives a stream a turn, once one is free, to look for something to send.
func (t *turns) ring(b *mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch b.phase {
	case idle:
		t.enqueue(b)
	case running, sending:
		b.again = true
	}
}

// yield ends the turn of a stream that sends now.
func (t *turns) yield(b *mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(b, sending)
}

// rest ends what a stream did; more says that there is something left to do.
func (t *turns) rest(b *mailbox, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.end(b, idle); more || b.again {
		t.enqueue(b)
	}
}

// leave ends a stream: it gets no turn any more.
func (t *turns) leave(b *mailbox) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end(b, over)
}

func (t *turns) end(b *mailbox, next phase) {
	if b.phase == running {
		t.free++
	}
	b.phase = next
	t.hand()
}

func (t *turns) enqueue(b *mailbox) {
	b.phase, b.again = queued, false
	t.queue = append(t.queue, b)
	t.hand()
}

// hand gives free turns to those that have waited longest. Whoever gets one waits for it, so this does not block.
func (t *turns) hand() {
	for t.free > 0 && len(t.queue) > 0 {
		b := t.queue[0]
		if t.queue = t.queue[1:]; b.phase != queued {
			continue
		}
		t.free--
		b.phase = running
		b.wake <- struct{}{}
	}
}
