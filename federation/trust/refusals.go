package trust

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// quiet is how long the log says nothing after a refused connection: anybody can cause one.
const quiet = 10 * time.Second

// refusals counts the connections that were refused, and logs some.
type refusals struct {
	log   *slog.Logger
	count atomic.Uint64

	mu         sync.Mutex
	last       time.Time
	suppressed int
}

// add counts a refusal. A connection that was closed before it said anything, as health checks do, is
// worth no more than a line for debugging.
func (r *refusals) add(peer net.Addr, cause error) {
	r.count.Add(1)
	level := slog.LevelWarn
	suppressed, ok := 0, false
	if errors.Is(cause, io.EOF) || errors.Is(cause, syscall.ECONNRESET) {
		level = slog.LevelDebug
	} else if suppressed, ok = r.due(time.Now()); !ok {
		level = slog.LevelDebug
	}
	r.log.Log(context.Background(), level, "refused a connection", "peer", peer.String(), "error", cause, "suppressed", suppressed)
}

// due reports whether to log at now, and how many refusals were not logged before.
func (r *refusals) due(now time.Time) (suppressed int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.last.IsZero() && now.Sub(r.last) < quiet {
		r.suppressed++
		return 0, false
	}
	suppressed, r.suppressed, r.last = r.suppressed, 0, now
	return suppressed, true
}
