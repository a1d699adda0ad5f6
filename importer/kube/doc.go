// Package kube makes this cluster's objects match the View.
//
// In: the importer's Views; namespaces, derived Services, ServiceImports and EndpointSlices of this
// cluster's API server, by informers.
// Out: ServiceImports, derived Services and EndpointSlices, written by server-side apply; to the
// importer, which namespaces exist and which clusterset IPs are allocated; after a restart, to the
// Store, what the slices remember of every cluster.
//
// Owned here: the shape of those objects (Plan, pure), their names and our mark on them. An object
// without our mark is never touched. Nothing of a cluster is removed before its first complete set came.
package kube
