package lab

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	firstWait = 10 * time.Millisecond
	maxWait   = 100 * time.Millisecond
	tailLines = 12 // of a log, in an error.
)

// await calls check until it returns nil, with growing pauses, because nothing
// tells when a program of a control plane is ready. It ends at once, with the
// last lines of the log, if one of the two processes does; other may be nil.
func await(ctx context.Context, process, other *Process, check func(context.Context) error) error {
	var otherDone <-chan struct{}
	if other != nil {
		otherDone = other.Done()
	}
	for wait := firstWait; ; wait = min(wait*3/2, maxWait) {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-process.Done():
			return endedEarly(process)
		case <-otherDone:
			return endedEarly(other)
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)%s", process.name, context.Cause(ctx), err, tail(process))
		case <-time.After(wait):
		}
	}
}

// Await calls check until it returns nil, with growing pauses, for programs that do not tell when they are
// ready. It ends at once, with the last lines of its log, if the process does.
func (p *Process) Await(ctx context.Context, check func(context.Context) error) error {
	return await(ctx, p, nil, check)
}

func endedEarly(p *Process) error {
	err := p.Err()
	if err == nil {
		err = errors.New(p.name + " ended with exit status 0")
	}
	return fmt.Errorf("%w%s", err, tail(p))
}

func tail(p *Process) string {
	lines := p.LogTail(tailLines)
	if lines == "" {
		return ""
	}
	return fmt.Sprintf("; the last lines of its log:\n%s", lines)
}
