package xds

import (
	"context"

	"github.com/hansa-mcs/hansa/federation"
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
	for name := range concerned(before, now) {
		s.collect(changes, name, before, now)
	}
	s.store.apply(changes)
	return now
}

// concerned returns the names whose hosts may differ between two Views. Gates bear on what clusters export alone: a
// Service that only this cluster has is the same whatever they are.
func concerned(before, now *importer.View) map[federation.ServiceName]struct{} {
	names := map[federation.ServiceName]struct{}{}
	for c := range importer.Diff(before, now) {
		names[c.Name] = struct{}{}
	}
	for name := range importer.DiffOwn(before, now) {
		names[name] = struct{}{}
	}
	if before.Gates != now.Gates {
		for service := range before.All() { // those that now has not are of Diff, as those that before had not
			names[service.Name] = struct{}{}
		}
	}
	return names
}

// collect adds what the two hosts of a name change.
func (s *Server) collect(changes map[key]*Resource, name federation.ServiceName, before, now *importer.View) {
	if old, service := before.Clusterset().Service(name), now.Clusterset().Service(name); old != service {
		s.replace(changes, s.config.Domain, old, service)
	}
	if old, source := s.localOf(before, name), s.localOf(now, name); old != source {
		s.replace(changes, s.config.ClusterDomain, old.service(before, name), source.service(now, name))
	}
}

// replace adds what it changes that a host in domain stands for another Service, nil for none. What is the same in both is
// left alone by the store.
func (s *Server) replace(changes map[key]*Resource, domain string, old, service *importer.Service) {
	if old != nil {
		for _, names := range served(old, domain) {
			changes[key{clusterKind, names.cluster}] = nil
			changes[key{assignmentKind, names.cluster}] = nil
			changes[key{listenerKind, names.listener}] = nil
		}
	}
	if service == nil {
		return
	}
	for _, r := range Resources(service, s.config.Cluster, domain) {
		if k, ok := kindOf(r.TypeURL); ok {
			changes[key{k, r.Name}] = &r
		}
	}
}
