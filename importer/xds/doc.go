// Package xds serves the View over the aggregated discovery service (ADS) of xDS v3, as proxyless gRPC
// reads it.
//
// In: the View of an importer.Importer, newest wins, and the requests of clients.
//
// Out: for every TCP port of every host a Listener (with its routes inline), a Cluster and a
// ClusterLoadAssignment. Resources, which is pure, says what they hold. There are two kinds of hosts:
// <svc>.<ns>.svc.clusterset.local is what all clusters export of that name, while MCSHost is on;
// <svc>.<ns>.svc.cluster.local is this cluster's own Service, exported or not, and nothing of another
// cluster but where MCSClusterLocal is off. A gate that turns concerns only the hosts that it makes others.
//
// Owned here: which hosts there are; the store of the newest resources with the streams that subscribe
// to each, so that a change costs what its subscribers cost; and one session per stream, a type without
// goroutine, clock or lock that decides what a client is told and in which order. A stream's handler is
// the only one that writes to it. There is no timer on the way of a change: what a client has not
// acknowledged yet conflates, and the newest state is what it gets next.
//
// Nobody is answered before the first View is complete: the socket is bound at once, but streams are
// accepted only from Ready on, because an answer from an empty View would delete by absence.
package xds
