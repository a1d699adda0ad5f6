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

// fixtures returns what there is also without any Service.
func fixtures() map[key]*resource {
	return map[key]*resource{{listenerKind, EgressName}: newResource(egress{}), {routeKind, EgressName}: newResource(routes{})}
}

// show makes the store hold the newest View instead of the one before, in one step, and returns it.
func (s *Server) show(before *importer.View) *importer.View {
	now := s.config.View()
	c := changes{server: s, resources: map[key]*resource{}, hosts: map[string]virtualHost{}}
	were, are := before.Clusterset(), now.Clusterset()
	for name := range concerned(before, now) {
		if old, service := were.Service(name), are.Service(name); old != service {
			c.replace(s.config.Domain, old, service)
		}
		if old, source := s.localOf(before, name), s.localOf(now, name); old != source {
			c.replace(s.config.ClusterDomain, old.service(before, name), source.service(now, name))
		}
	}
	if next, changed := s.hosts.with(c.hosts); changed {
		s.hosts = next
		c.resources[key{routeKind, EgressName}] = newResource(next)
	}
	s.store.apply(c.resources)
	return now
}

// changes is what one step of the store changes.
type changes struct {
	server    *Server
	resources map[key]*resource
	hosts     map[string]virtualHost // without a name where one went
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

// replace adds what it changes that a host in domain stands for another Service, nil for none. What is the same in both is
// left alone by the store.
func (c *changes) replace(domain string, old, service *importer.Service) {
	if old != nil {
		for p := range portSpecs(old, domain) {
			c.resources[key{clusterKind, p.cluster.name}] = nil
			c.resources[key{assignmentKind, p.cluster.name}] = nil
			c.resources[key{listenerKind, p.listener.name}] = nil
			if p.http {
				c.hosts[p.virtual.name] = virtualHost{}
			}
		}
	}
	if service == nil {
		return
	}
	for p := range portSpecs(service, domain) {
		assignment := newAssignment(p.cluster.name, service, p.port, c.server.config.Cluster, c.server.assignment(p.cluster.name))
		c.resources[key{clusterKind, p.cluster.name}] = newResource(p.cluster)
		c.resources[key{assignmentKind, p.cluster.name}] = newResource(assignment)
		c.resources[key{listenerKind, p.listener.name}] = newResource(p.listener)
		if p.http {
			c.hosts[p.virtual.name] = p.virtual
		}
	}
}

// assignment returns the one that is told under a name, nil for none.
func (s *Server) assignment(name string) *assignment {
	r := s.store.current(key{assignmentKind, name})
	if r == nil {
		return nil
	}
	return r.content.(*assignment)
}
