// Package kube makes this cluster's objects match the View.
//
// In: the importer's Views; namespaces, derived Services, ServiceImports, EndpointSlices and ServiceExports
// of this cluster's API server, by informers.
// Out: ServiceImports, derived Services and EndpointSlices, written by server-side apply; the condition
// Conflict of this cluster's ServiceExports; Events; to the importer, which namespaces exist, which
// clusterset IPs are allocated, and which families can be; after a restart, to the Store, what the slices
// remember of every cluster.
//
// Owned here: the shape of those objects (Plan, pure), their names and our mark on them. An object
// without our mark is never touched, unless it was handed over. Nothing of a cluster is removed before its
// first complete set came. The budget of what is written: these objects are a projection that DNS and xDS never wait
// for, and so the one whose writing yields when the API server has too much to do.
package kube
