package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// reach tells when the API server cannot be reached, and when it answers again: client-go tries for ever, and
// without a word. What an API server answers is not its business.
type reach struct {
	log *slog.Logger

	mu          sync.Mutex
	answered    time.Time // when it last answered
	unanswered  time.Time // when the first request since then was sent that its asker gave up waiting for
	since, told time.Time // of what goes on now; zero for nothing
}

const (
	// bearable is for how long nobody needs to know: an API server that starts again is soon back.
	bearable  = 3 * time.Second
	tellAgain = time.Minute
)

// wrap is what rest.Config.Wrap takes.
func (r *reach) wrap(next http.RoundTripper) http.RoundTripper { return reaching{next, r} }

// heard takes what came of a request that was sent at a time: an answer if err is nil. One that hung fails long after
// the API server was gone.
func (r *reach) heard(err error, sent, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		if !r.told.IsZero() {
			r.log.Info("the API server answers again", "after", now.Sub(r.since).Round(time.Second))
		}
		r.answered, r.unanswered, r.since, r.told = now, time.Time{}, time.Time{}, time.Time{}
	case r.since.IsZero():
		if !r.unanswered.IsZero() && r.unanswered.Before(sent) {
			sent = r.unanswered
		}
		r.since = later(sent, r.answered)
	case now.Sub(r.since) >= bearable && now.Sub(r.told) >= tellAgain:
		r.told = now
		r.log.Warn("cannot reach the API server; trying for ever", "error", err)
	}
}

// gaveUp takes that who asked waited no longer. That alone says nothing: it may have been impatient.
func (r *reach) gaveUp(sent time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.unanswered.IsZero() || sent.Before(r.unanswered) {
		r.unanswered = sent
	}
}

// reaching is one client's way to the API server.
type reaching struct {
	next http.RoundTripper
	*reach
}

// RoundTrip implements http.RoundTripper. That the asker does not want an answer any more says nothing about the API
// server.
func (r reaching) RoundTrip(request *http.Request) (*http.Response, error) {
	sent := time.Now()
	response, err := r.next.RoundTrip(request)
	switch ended := request.Context().Err(); {
	case ended == nil:
		r.heard(err, sent, time.Now())
	case errors.Is(ended, context.DeadlineExceeded) && err != nil:
		r.gaveUp(sent)
	}
	return response, err
}

// WrappedRoundTripper lets client-go find what is below.
func (r reaching) WrappedRoundTripper() http.RoundTripper { return r.next }
