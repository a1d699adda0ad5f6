package stream

import (
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Failure is something that went wrong; the zero value is nothing.
type Failure struct {
	At     time.Time
	Reason string // in words for people
}

// Failures are the last ones with one cluster since the start; with this agent's own, on the way to its leader.
type Failures struct {
	Stream Failure // why a stream ended, or did not begin
	Record Failure // why something that came on one was refused, while others were taken
}

// maxReason bounds, in bytes, what is kept of a reason: some of it may be the other side's.
const maxReason = 500

// failures keeps the Failures of each cluster that is dialed, or has a certificate.
type failures struct {
	mu sync.Mutex
	of map[federation.ClusterID]Failures
}

// stream notes why there is no stream. That another one is better, or not ours to have, is no failure.
func (f *failures) stream(peer federation.ClusterID, err error, now time.Time) {
	if replaced(err) || errors.Is(err, errNotLeading) {
		return
	}
	f.note(peer, func(all *Failures) { all.Stream = failure(reason(err), now) })
}

func (f *failures) record(peer federation.ClusterID, err error, now time.Time) {
	f.note(peer, func(all *Failures) { all.Record = failure(err.Error(), now) })
}

func (f *failures) note(peer federation.ClusterID, change func(*Failures)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[federation.ClusterID]Failures{}
	}
	all := f.of[peer]
	change(&all)
	f.of[peer] = all
}

func failure(text string, now time.Time) Failure {
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return Failure{At: now, Reason: strings.ToValidUTF8(text, "")}
}

// Failures returns what went wrong last with each cluster with which anything did.
func (x *Exchange) Failures() map[federation.ClusterID]Failures {
	x.failures.mu.Lock()
	defer x.failures.mu.Unlock()
	return maps.Clone(x.failures.of)
}
