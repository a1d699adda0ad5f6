package xds

import (
	"context"

	"github.com/hansa-mcs/hansa/importer"
)

// follow shows one View after another until ctx ends. It may skip some.
func (s *Server) follow(ctx context.Context, view *importer.View) {
	for {
		select {
		case <-view.Replaced():
			view = s.show(view)
		case <-ctx.Done():
			return
		}
	}
}

// show makes the store hold the newest View instead of the one before, in one step, and returns it.
func (s *Server) show(before *importer.View) *importer.View {
	now := s.config.View()
	changes := map[key]*Resource{}
	for c := range importer.Diff(before, now) {
		s.collect(changes, c)
	}
	s.store.apply(changes)
	return now
}

// collect adds what one Service changes.
func (s *Server) collect(changes map[key]*Resource, c importer.Change) {
	if c.Old != nil {
		for _, names := range served(c.Old, s.config.Domain) {
			changes[key{clusterKind, names.cluster}] = nil
			changes[key{assignmentKind, names.cluster}] = nil
			changes[key{listenerKind, names.listener}] = nil
		}
	}
	if c.New == nil {
		return
	}
	for _, r := range Resources(c.New, s.config.Cluster, s.config.Domain) {
		if k, ok := kindOf(r.TypeURL); ok {
			changes[key{k, r.Name}] = &r
		}
	}
}
