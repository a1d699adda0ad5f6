package agent

import (
	"context"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// recallPause is how long to wait after what is remembered could not be read, and longer each time.
const recallPause = time.Second

// settle closes settled once nothing more is to be waited for: every cluster that is known was heard whole since
// the start, or it took too long.
func (m *member) settle(ctx context.Context) error {
	recall := func(ctx context.Context) error { _, err := m.recall(ctx); return err }
	if waitForAll(ctx, m.options.WithdrawAfter, m.importer.Ready(), recall, m.store) {
		close(m.settled)
	}
	return nil
}

// waitForAll waits until this cluster was read, and until every cluster that is remembered was heard whole, the
// latter no longer than its endpoints would be served, 0 for ever: so long its names are not denied. It reports false
// if ctx ended before.
func waitForAll(ctx context.Context, most time.Duration, ready <-chan struct{}, recall func(context.Context) error, store *federation.Store) bool {
	patient, cancel := context.WithCancel(ctx)
	if most > 0 {
		patient, cancel = context.WithTimeout(ctx, most)
	}
	defer cancel()
	select {
	case <-ready:
	case <-ctx.Done():
		return false
	}
	if recalled(patient, recall) { // which clusters there are has to be known first
		complete(patient, store)
	}
	return ctx.Err() == nil
}

// recalled tries to recall until that succeeds, or reports that ctx ended.
func recalled(ctx context.Context, recall func(context.Context) error) bool {
	for wait := recallPause; recall(ctx) != nil; wait = min(2*wait, time.Minute) {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// complete waits until every cluster that is known was heard whole, or ctx ends.
func complete(ctx context.Context, store *federation.Store) {
	for {
		changed := store.Changed()
		if store.Complete() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
