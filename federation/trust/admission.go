package trust

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// handshakeTime is how long a connection may take from its accept to the hands of its listener, or
	// to the leader that it is passed on to.
	handshakeTime = 10 * time.Second
	// maxHandshakes bounds the connections that are not yet in those hands.
	maxHandshakes = 128
)

// handshake is a connection between its accept and the hands of its listener, or of the leader.
type handshake struct {
	ctx    context.Context // ends when the connection has to go
	giveUp func()
	leave  func() // gives the slot back; may be called more than once
}

// admit takes one of the slots for a connection that was accepted. When all are taken, the oldest
// connection goes: it has had the most time, and so most likely will never complete.
func (p *Port) admit(ctx context.Context) *handshake {
	h := new(handshake)
	h.ctx, h.giveUp = context.WithTimeout(ctx, handshakeTime)
	h.leave = sync.OnceFunc(func() {
		h.giveUp()
		p.forget(h)
		<-p.slots
	})
	p.mu.Lock()
	if len(p.pending) == maxHandshakes {
		p.pending[0].giveUp()
		p.pending = p.pending[1:]
	}
	p.pending = append(p.pending, h)
	p.mu.Unlock()
	p.slots <- struct{}{}
	return h
}

func (p *Port) forget(h *handshake) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.pending, h); i >= 0 {
		p.pending = slices.Delete(p.pending, i, i+1)
	}
}
