package election

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Standing says who leads, as far as this agent knows. It never changes; Changed says when there is another.
type Standing struct {
	// Leading is whether the Lease is ours and renewed lately enough: we may write.
	Leading bool
	// Stint counts how often we took the Lease, from somebody else or from nobody. Renewing after a freeze is
	// the same stint, as nobody held the Lease in between.
	Stint uint64
	// Leader is who holds the Lease, also one that is frozen or dead until somebody else takes it; zero if
	// nobody does, or if nobody can read who.
	Leader Identity
	// Since is when Leader took the Lease, by the clock of who took it but never later than we saw it. It is
	// for people to read.
	Since time.Time
	// Former is who held the Lease before us if it is ours, zero if that is not known, and FormerWrote when that one
	// last wrote it, by its own clock. They are for people to read.
	Former      Identity
	FormerWrote time.Time
	// Changed closes when another Standing is current.
	Changed <-chan struct{}
}

// same compares all but Changed.
func (s Standing) same(o Standing) bool {
	return s.Leading == o.Leading && s.Stint == o.Stint && s.Leader == o.Leader && s.Since.Equal(o.Since) &&
		s.Former == o.Former && s.FormerWrote.Equal(o.FormerWrote)
}

var (
	errNotLeading = errors.New("this agent does not lead any more")
	errStopping   = errors.New("this agent stops taking part in the election")
)

// post holds the current Standing and everybody who writes because of it.
type post struct {
	mu      sync.Mutex
	current Standing
	until   time.Time     // when a Standing that leads is over unless it is prolonged
	changed chan struct{} // current's Changed
	writers map[*writer]struct{}
	writing sync.WaitGroup
}

// writer is one who called Lead and has not called done.
type writer struct{ end context.CancelCauseFunc }

func newPost() *post {
	p := &post{changed: make(chan struct{}), writers: map[*writer]struct{}{}}
	p.current.Changed = p.changed
	return p
}

// now returns the current Standing. One that was not prolonged does not lead, even if that has not been
// published yet, as when the process was stopped for a while.
func (p *post) now(now time.Time) Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.current
	s.Leading = s.Leading && now.Before(p.until)
	return s
}

// publish replaces the Standing, or prolongs it if it is the same, and returns the one before. When it
// returns, nobody writes on a Standing that is over without knowing it.
func (p *post) publish(next Standing, until, now time.Time, why error) Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.current
	lapsed := before.Leading && !now.Before(p.until)
	p.until = until
	if next.same(before) && !lapsed {
		return before
	}
	if lapsed || !next.Leading || next.Stint != before.Stint {
		for w := range p.writers {
			w.end(why)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
	next.Changed = p.changed
	p.current = next
	return before
}

// join makes the caller a writer if we may write.
func (p *post) join(ctx context.Context, now time.Time) (lead context.Context, done func(), stint uint64, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.current.Leading || !now.Before(p.until) {
		return nil, nil, 0, false
	}
	lead, end := context.WithCancelCause(ctx)
	w := &writer{end}
	p.writers[w] = struct{}{}
	p.writing.Add(1)
	return lead, sync.OnceFunc(func() { p.leave(w) }), p.current.Stint, true
}

func (p *post) leave(w *writer) {
	p.mu.Lock()
	delete(p.writers, w)
	p.mu.Unlock()
	w.end(nil)
	p.writing.Done()
}

// Now returns the current Standing. It never waits for anything.
func (e *Election) Now() Standing { return e.post.now(time.Now()) }

// Lead waits until this agent leads. It returns a context that ends as soon as it may not write any more,
// because it froze, lost the Lease or stops, or because ctx ended; the stint that it leads in; and what to
// call when the write is done, at the end of the context at the latest: Start does not give the Lease back
// before. The error is that of ctx.
func (e *Election) Lead(ctx context.Context) (lead context.Context, done func(), stint uint64, err error) {
	for {
		standing := e.Now()
		if lead, done, stint, ok := e.post.join(ctx, time.Now()); ok {
			return lead, done, stint, nil
		}
		select {
		case <-standing.Changed:
		case <-ctx.Done():
			return nil, nil, 0, fmt.Errorf("waiting to lead: %w", context.Cause(ctx))
		}
	}
}
