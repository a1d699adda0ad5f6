package enroll

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// talkTime is how long a request and its reply may take together.
	talkTime = 10 * time.Second
	// thinkTime is how long it may take to decide, so that time is left to say so.
	thinkTime = 8 * time.Second
	// maxTalks bounds those who are being answered.
	maxTalks = 64
)

// crowd bounds those who are being answered. When it is full the oldest goes: it has had the most time, and
// so most likely will never ask.
type crowd struct {
	slots chan struct{}
	work  sync.WaitGroup

	mu    sync.Mutex
	talks []*talk // oldest first, at most maxTalks
}

type talk struct{ giveUp func() }

func newCrowd() *crowd { return &crowd{slots: make(chan struct{}, maxTalks)} }

// enter calls f in a goroutine of its own, with a ctx that ends when f has to return. It returns once
// there is room.
func (c *crowd) enter(ctx context.Context, f func(context.Context)) {
	ctx, cancel := context.WithTimeout(ctx, talkTime)
	t := &talk{giveUp: cancel}
	c.mu.Lock()
	if len(c.talks) == maxTalks {
		c.talks[0].giveUp()
		c.talks = slices.Delete(c.talks, 0, 1)
	}
	c.talks = append(c.talks, t)
	c.mu.Unlock()
	c.slots <- struct{}{}
	c.work.Go(func() {
		defer c.leave(t)
		f(ctx)
	})
}

func (c *crowd) leave(t *talk) {
	t.giveUp()
	c.mu.Lock()
	if i := slices.Index(c.talks, t); i >= 0 {
		c.talks = slices.Delete(c.talks, i, i+1)
	}
	c.mu.Unlock()
	<-c.slots
}

// wait returns once f of everybody has returned.
func (c *crowd) wait() { c.work.Wait() }
