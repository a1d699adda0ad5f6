// Package xds serves the View over the aggregated discovery service (ADS) of xDS v3, in both variants, the state of the
// world and the incremental one, as Envoy and proxyless gRPC read it.
//
// In: the View of an importer.Importer, newest wins, and the requests of clients.
//
// Out: for every TCP port of every host a Cluster and a ClusterLoadAssignment; for gRPC a Listener with its routes inline; for
// Envoy one listener, EgressName, and its RouteConfiguration, which chooses among all hosts by the Host of a request. There are
// two kinds of hosts: <svc>.<ns>.svc.clusterset.local is what all clusters export of that name, while MCSHost is on;
// <svc>.<ns>.svc.cluster.local is this cluster's own Service, exported or not, and nothing of another cluster but where
// MCSClusterLocal is off. A gate that turns concerns only the hosts that it makes others.
//
// Owned here: which hosts there are; the store of the newest resources with the streams that subscribe to each, so that a
// change costs what its subscribers cost; and one session per stream, a type without goroutine, clock or lock that decides
// what a client is told and in which order.
//
// The way of a change: feed.go makes of two Views the contents that differ; store.go rings the streams that subscribe to
// them; turns.go has few workers serve those; stream.go takes what changed for its session; session.go, with sotw.go and
// delta.go for what the variants differ in, and respond.go say what is sent next; wire.go lays it out. A content is encoded
// once for all clients of an Audience, when the first of them asks (resource.go); the endpoints of a cluster are encoded once
// for all Audiences (portion.go), and only laid together anew (assemble.go) when another cluster changes; what a response holds
// of a resource is laid out once for all that are sent it (wire.go).
//
// There is no timer on the way of a change: what a client has not acknowledged yet conflates, and the newest state is
// what it gets next. What all pushes together may take is bounded (budget.go), and how long a client may leave unread what it is
// sent. So is what may be asked for: by one request (message.go, which reads it by hand for that), by a client (session.go), by
// all at one address, so that none keeps the others out (origins.go, accept.go), and by all (store.go); and so is what clients
// make the log say (noise.go).
//
// What no client may be told is not told: a resource that it would refuse (valid.go), and of an assignment what is beyond the
// largest message that gRPC takes (trim.go). Either is reported.
//
// Nobody is answered before the first View is complete: the socket is bound at once, but streams are
// accepted only from Ready on, because an answer from an empty View would delete by absence.
package xds
