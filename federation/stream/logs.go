package stream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// trouble is a failure that goes on.
type trouble struct{ since, told time.Time }

const (
	// bearable is for how long nobody needs to know: a peer that starts again is soon back.
	bearable  = 3 * time.Second
	tellAgain = time.Minute
)

// level returns the level at which to tell the failure now.
func (t *trouble) level(now time.Time) slog.Level {
	if now.Sub(t.since) < bearable || now.Sub(t.told) < tellAgain {
		return slog.LevelDebug
	}
	t.told = now
	return slog.LevelWarn
}

// downLevel returns the level at which to tell that a stream ended: an agent that stops ends them all.
func (x *Exchange) downLevel() slog.Level {
	select {
	case <-x.ending:
		return slog.LevelDebug
	default:
		return slog.LevelInfo
	}
}

// errUnknown is why a stream ends that we dialed to a member that is elsewhere by now, or has left.
var errUnknown = errors.New("the member is not at that address any more")

// reason says in words for people why a stream ended, or did not begin. To gRPC a stream is canceled when its
// connection ends, whichever side or whatever between them ended it.
func reason(err error) string {
	said, _ := status.FromError(err)
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.Is(err, io.EOF), said.Code() == codes.Canceled:
		return "the connection ended"
	case said.Message() != "":
		return said.Message()
	}
	return err.Error()
}
