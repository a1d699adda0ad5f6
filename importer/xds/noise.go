package xds

import (
	"context"
	"log/slog"

	"golang.org/x/time/rate"
)

// What clients may make the log say, all together: lines in a second, and at once.
const (
	noiseRate  = 10
	noiseBurst = 100
)

// muffled is a log of which lines are lost while there are too many: what clients do wrong is counted too.
type muffled struct {
	slog.Handler
	limit *rate.Limiter
}

func newMuffled(h slog.Handler) *slog.Logger {
	return slog.New(muffled{h, rate.NewLimiter(noiseRate, noiseBurst)})
}

// Handle implements slog.Handler.
func (m muffled) Handle(ctx context.Context, r slog.Record) error {
	if !m.limit.Allow() {
		return nil
	}
	return m.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler: the limit is of all lines, whatever they are about.
func (m muffled) WithAttrs(attrs []slog.Attr) slog.Handler {
	return muffled{m.Handler.WithAttrs(attrs), m.limit}
}

// WithGroup implements slog.Handler.
func (m muffled) WithGroup(name string) slog.Handler {
	return muffled{m.Handler.WithGroup(name), m.limit}
}
