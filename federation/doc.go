// Package federation holds what every cluster says about its own services.
//
// In: the Exports of this cluster, written by its exporter through Announce, Set and Withdraw; the
// Updates of the other clusters, written by federation/stream through Apply; and, at a start, what was
// remembered of them, through Restore.
//
// Out: Exports, all that is said of one service name; Since, what one cluster changed after a Version;
// and two signals, Changed and Advanced, that wake readers without a queue that could overflow.
//
// Owned here: the Store, the only mutable state that goroutines of an agent share. Everything it hands
// out is immutable. The package imports the standard library alone: Kubernetes objects, wire messages
// and membership have their doors elsewhere.
//
// Three rules hold by construction:
//   - Only an exported service has an Export, so a private one cannot leave (E1, E3).
//   - Only cluster X changes what X says: Apply refuses this cluster's own ID, and the stream that calls
//     it has checked that its peer may speak for the owner.
//   - Absence is not a fact: an Export goes by a withdrawal or by a complete set that lacks it, never
//     because a peer is silent.
package federation
