package xds

import (
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// local is all that the host of a name in this cluster's domain depends on: equal ones are equal hosts.
type local struct {
	own      *federation.Export
	exported *importer.Service // holds the endpoints of other clusters; nil while these do not belong in it
}

// localOf returns what the host of a name in this cluster's domain depends on: this cluster's Service alone, but where
// MCSClusterLocal is off and the name is not one that stays in the cluster.
func (s *Server) localOf(v *importer.View, name federation.ServiceName) local {
	l := local{own: v.Own(name)}
	if !v.Gates.ClusterLocal && !s.config.Stays(name) {
		l.exported = v.Service(name)
	}
	return l
}

// service returns what the host stands for; nil while there is none.
func (l local) service(v *importer.View, name federation.ServiceName) *importer.Service {
	return v.ClusterLocal(name, l.exported != nil)
}
