// Package importer concludes what every exported service looks like from here.
//
// In: the Exports in a federation.Store, and the local facts that doors report: which namespaces exist
// (SetNamespace), which clusterset IPs the API server allocated (SetIPs), and of which families it can
// (SetFamilies).
//
// Out: one immutable View after another. A sink keeps the View it last used, waits on its Replaced
// channel, takes the newest by Importer.View and walks Diff(old, new): it may skip editions and loses
// nothing.
//
// Owned here: the rules of the merge (Merge, pure, KEP-1645 "Constraints and Conflict Resolution") and
// the one loop that publishes. The package imports the standard library and federation alone.
package importer
