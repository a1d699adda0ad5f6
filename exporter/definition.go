package exporter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// Definition is the CRD of ServiceExports, as far as it concerns what its objects mean. A CRD that is deleted
// takes all its objects with it, one by one, as if each had been deleted; but nobody un-exported anything.
type Definition interface {
	// Served asks the API server itself whether the CRD is there and stays.
	Served(ctx context.Context) (bool, error)
	// Returned has a value whenever the CRD is served again after it was not.
	Returned() <-chan struct{}
}

// returnPause is how long what is held stays so after the CRD is back. Nothing says when whoever brought it has
// applied the ServiceExports again too, and until our watch is back we see none of them: that may wait for half
// a minute, as client-go does between two tries.
const returnPause = 2 * time.Minute

// held are the services whose ServiceExport went with the CRD. What was said of them stays.
type held struct {
	mu    sync.Mutex
	names map[federation.ServiceName]bool
}

func (h *held) add(name federation.ServiceName) (first bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.names == nil {
		h.names = map[federation.ServiceName]bool{}
	}
	h.names[name] = true
	return len(h.names) == 1
}

// take returns them, and forgets them.
func (h *held) take() []federation.ServiceName {
	h.mu.Lock()
	defer h.mu.Unlock()
	names := slices.Collect(maps.Keys(h.names))
	clear(h.names)
	return names
}

// withdraw takes back what was said of a service that has no ServiceExport (E4), unless its CRD is gone too:
// an API that is missing counts as not read, and absence is no fact.
func (x *exporter) withdraw(ctx context.Context, name federation.ServiceName) error {
	if x.Store.Export(x.Store.Self(), name) == nil {
		return nil
	}
	served, err := x.Definition.Served(ctx)
	if err != nil {
		return fmt.Errorf("asking whether ServiceExport %s was withdrawn, or all are unreadable: %w", name, err)
	}
	if served {
		x.Store.Withdraw(name)
		return nil
	}
	if x.held.add(name) {
		x.Log.Error("the CRD of ServiceExports is gone; what was exported stays exported until it is back", "hint", "apply the CRD and the ServiceExports again")
	}
	return nil
}

// followDefinition looks again at what is held a while after the CRD is back, until ctx ends. What has a
// ServiceExport again by then was described anew meanwhile; what has none was withdrawn.
func (x *exporter) followDefinition(ctx context.Context) error {
	for {
		select {
		case <-x.Definition.Returned():
		case <-ctx.Done():
			return nil
		}
		x.Log.Info("the CRD of ServiceExports is back", "pause", returnPause)
		select {
		case <-time.After(returnPause):
		case <-ctx.Done():
			return nil
		}
		if !x.lookAgain(ctx, x.held.take()) {
			return nil
		}
	}
}
