package kube

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Definition is the CRD of ServiceImports, as far as it concerns repairs. A CRD that is deleted takes all its
// objects with it, and older Kubernetes lets an apply make them anew meanwhile: then it could never go.
type Definition interface {
	// Served asks the API server itself whether the CRD is there and stays.
	Served(ctx context.Context) (bool, error)
	// Returned has a value whenever the CRD is served again after it was not.
	Returned() <-chan struct{}
}

// imports remembers which services had a ServiceImport of ours, and which of those went with the CRD.
type imports struct {
	mu   sync.Mutex
	had  map[federation.ServiceName]bool
	lost map[federation.ServiceName]bool
}

// see notes whether there is a ServiceImport of ours, and returns whether it vanished since it was seen last.
func (i *imports) see(name federation.ServiceName, want *importer.Service, now Current) (vanished bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.had == nil {
		i.had, i.lost = map[federation.ServiceName]bool{}, map[federation.ServiceName]bool{}
	}
	switch {
	case want == nil:
		delete(i.had, name)
	case now.Import != nil && ours(now.Import):
		i.had[name] = true
	default:
		return now.Import == nil && i.had[name]
	}
	return false
}

func (i *imports) lose(name federation.ServiceName) (first bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lost[name] = true
	return len(i.lost) == 1
}

// takeLost returns the services whose ServiceImport went with the CRD, and forgets that.
func (i *imports) takeLost() []federation.ServiceName {
	i.mu.Lock()
	defer i.mu.Unlock()
	names := slices.Collect(maps.Keys(i.lost))
	clear(i.lost)
	return names
}

// allowed returns the changes without those of a ServiceImport that went with its CRD: one that vanished is
// made anew only if the CRD stays. The other objects are kept meanwhile, as traffic depends on them.
func (d *door) allowed(ctx context.Context, name federation.ServiceName, want *importer.Service, now Current, changes []Change) ([]Change, error) {
	if !d.imports.see(name, want, now) {
		return changes, nil
	}
	served, err := d.definition.Served(ctx)
	if err != nil {
		err = fmt.Errorf("asking whether ServiceImport %s was deleted, or its kind: %w", name, err)
	} else if served {
		return changes, nil
	} else if d.imports.lose(name) {
		d.log.Error("the CRD of ServiceImports is gone; there are none until it is back", "hint", "apply the CRD again")
	}
	return slices.DeleteFunc(changes, func(c Change) bool {
		_, isImport := c.Object.(*mcsv1beta1.ServiceImport)
		return isImport
	}), err
}
