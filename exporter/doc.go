// Package exporter tells the federation what this cluster exports.
//
// In: ServiceExports, Services and EndpointSlices of this cluster's API server, by informers.
// Out: one federation.Export per exported Service, written to the federation.Store the moment it
// changes; and the conditions Valid and Ready on each ServiceExport, with events of what they became.
//
// Owned here: what an Export says (Describe, pure) and those two conditions; Conflict belongs to
// importer/kube. A Service without a ServiceExport is never described, so it cannot leave (E1, E3).
package exporter
