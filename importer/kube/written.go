package kube

import (
	"sync"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// written remembers which EndpointSlices of a service were written last, until it is looked at again: then the
// cache has to have seen those writes.
type written struct {
	mu    sync.Mutex
	names map[federation.ServiceName][]string
}

func (w *written) note(name federation.ServiceName, changes []Change) {
	var slices []string
	for _, c := range changes {
		if s, ok := c.Object.(*discoveryv1.EndpointSlice); ok {
			slices = append(slices, s.Name)
		}
	}
	if len(slices) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.names == nil {
		w.names = map[federation.ServiceName][]string{}
	}
	w.names[name] = slices
}

// take returns them, and forgets them.
func (w *written) take(name federation.ServiceName) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	slices := w.names[name]
	delete(w.names, name)
	return slices
}
