// Package federation holds what every cluster says about its own services.
//
// In: the Exports of this cluster, written by its exporter through Announce, Set and Withdraw while this agent
// leads; the Updates of the other clusters, and while another agent leads of this one too, written by
// federation/stream through Apply; and, at a start, what was remembered of them, through Restore.
//
// Out: Exports, all that is said of one service name; SeenBy, what one viewer may see, with Since and Against, what it
// lacks of one cluster, by the version or by the hashes of what it has; and signals, Changed, Advanced and Joined, that wake readers without a
// queue that could overflow.
//
// Owned here: the Store, the only mutable state that goroutines of an agent share. Everything it hands
// out is immutable. The package imports the standard library alone: Kubernetes objects, wire messages
// and membership have their doors elsewhere.
//
// Four rules hold by construction:
//   - Only an exported service has an Export, so a private one cannot leave (E1, E3).
//   - Only cluster X, by the term of its leader, changes what X says: Apply refuses this cluster's own ID while this
//     agent leads, and what is older than what is held; the stream that calls it has checked that its peer may
//     speak for the owner.
//   - Whom an Export does not name as a consumer is told nothing of it: every word to another cluster is made by its
//     Sight, which knows no other.
//   - Absence is not a fact: an Export goes by a withdrawal or by a complete set that lacks it, never
//     because a peer is silent.
//
// # Versions, hashes, digests
//
// Each owner counts the changes of its set, in terms that no two of its leaders share. Each record has a hash that
// its owner computes and everybody else takes as given, and a set has the sum of its hashes as its digest. So two
// who hold the same know it from one number, whatever versions they had; a change costs one addition; and an Update
// that does not lead to the owner's digest is refused whole and told anew. The Store remembers the last changes of
// each owner, endpoint by endpoint: who lags a little gets those, who lags more tells his hashes. An update is silent
// about what its viewer may not see, and has the digest of what it may.
package federation
