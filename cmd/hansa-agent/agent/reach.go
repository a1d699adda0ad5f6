package agent

import (
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
	since, told time.Time // of what goes on now; zero for nothing
}

const (
	// bearable is for how long nobody needs to know: an API server that starts again is soon back.
	bearable  = 3 * time.Second
	tellAgain = time.Minute
)

// wrap is what rest.Config.Wrap takes.
func (r *reach) wrap(next http.RoundTripper) http.RoundTripper { return reaching{next, r} }

// heard takes what came of a request: an answer if err is nil.
func (r *reach) heard(err error, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		if !r.told.IsZero() {
			r.log.Info("the API server answers again", "after", now.Sub(r.since).Round(time.Second))
		}
		r.since, r.told = time.Time{}, time.Time{}
	case r.since.IsZero():
		r.since = now
	case now.Sub(r.since) >= bearable && now.Sub(r.told) >= tellAgain:
		r.told = now
		r.log.Warn("cannot reach the API server; trying for ever", "error", err)
	}
}

// reaching is one client's way to the API server.
type reaching struct {
	next http.RoundTripper
	*reach
}

// RoundTrip implements http.RoundTripper. That the asker gave up says nothing about the API server.
func (r reaching) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	if request.Context().Err() == nil {
		r.heard(err, time.Now())
	}
	return response, err
}

// WrappedRoundTripper lets client-go find what is below.
func (r reaching) WrappedRoundTripper() http.RoundTripper { return r.next }
