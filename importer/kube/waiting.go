package kube

import (
	"maps"
	"slices"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// waiting holds the services of which something may have to go once another cluster is heard.
type waiting struct {
	mu    sync.Mutex
	names map[federation.ServiceName]bool
	epoch uint64 // of the clusters that were synced when take last looked
}

// add remembers a service that was looked at in view. False means that another cluster was synced
// meanwhile, so that the service must be looked at again instead.
func (w *waiting) add(name federation.ServiceName, view *importer.View) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if view.SyncedEpoch() < w.epoch {
		return false
	}
	if w.names == nil {
		w.names = map[federation.ServiceName]bool{}
	}
	w.names[name] = true
	return true
}

// take returns, and forgets, the services that wait, if another cluster is synced in view than when it
// last looked.
func (w *waiting) take(view *importer.View) []federation.ServiceName {
	w.mu.Lock()
	defer w.mu.Unlock()
	if view.SyncedEpoch() == w.epoch {
		return nil
	}
	w.epoch = view.SyncedEpoch()
	names := slices.Collect(maps.Keys(w.names))
	clear(w.names)
	return names
}
