// Package state keeps what must outlive a restart of the agent in one ConfigMap of its own cluster.
//
// In: the clusters that are known, by Note, and the leader's wish for a term, by TakeTerm. Out: what was
// remembered, by Load. Owned here: the format of the ConfigMap and the pace at which it is written, which is
// when a cluster or the term changes, never per endpoint.
//
// The ConfigMap has a key self, the ID of the cluster that it belongs to, a key term, a key left while the cluster has
// left the clusterset, and a key cluster.<ID> with one JSON document for each other cluster:
//
//	data:
//	  cluster.west: '{"addresses":["west.example.com:8443"],"heard":"2026-03-01T12:00:00Z","uid":"6f1c…"}'
//	  self: east
//	  term: "1772366400000"
//
// Only keys that change are written, by a merge patch for the version that was read. So keys and fields that
// this release does not know survive it, two writers cannot overwrite each other unseen, and what a person
// breaks in one key costs no more than that key. Of more clusters than are remembered those stay that are noted, and then
// those that were heard last. Of a ConfigMap that says in self that it is another cluster's
// nothing is read or written.
package state
