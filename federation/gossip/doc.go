// Package gossip tells which clusters are here, at which address, and how far each is known to be.
//
// In: the address that this cluster advertises, the seeds to join, connections of the one port whose
// ALPN protocol is hansa-gossip/1, and the heads (versions) of the clusters that this one holds.
//
// Out: Members, a snapshot that Changed announces the end of, and Seen, the greatest head that anybody
// reported of each cluster: evidence that we lag, not the way on which records come.
//
// Owned here: a memberlist, whose packets and streams travel over authenticated connections. A node is
// named <cluster-id>/<incarnation>, its host:port is in its Meta, and it is dialed by name: a host name
// behind which addresses change stays one node, and the certificate at the other end must name the
// cluster in the node's name.
//
// What the other members say here is advice. A cluster that leaves Members is not gone, and none that
// is in them may be trusted for it. All sizes are bounded: nodes, heads, packets, streams, connections.
package gossip
