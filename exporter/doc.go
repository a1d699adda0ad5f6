// Package exporter reads what this cluster has, and tells the federation what of it is exported.
//
// In: ServiceExports, Services and EndpointSlices of this cluster's API server, by informers; and of its Nodes the
// labels that say where they are (AddNodes).
// Out: one federation.Export per exported Service, written to the federation.Store the moment it
// changes; and the conditions Valid and Ready on each ServiceExport, with events of what they became.
//
// Beside that, and only if asked to: the ServiceExports of auto-export (AddAuto), and what every Service
// of this cluster is (AddOwn), for who serves names of cluster.local in it.
//
// Owned here: what an Export says (Describe, pure), those two conditions, and which Services auto-export
// exports (AutoRules, pure); Conflict belongs to importer/kube. A Service without a ServiceExport never
// enters the Store, so it cannot leave (E1, E3): what AddOwn tells of it has no way there.
package exporter
