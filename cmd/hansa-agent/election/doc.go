// Package election decides which of a cluster's agents leads: the one that holds a Lease of
// coordination.k8s.io/v1. Only the leader writes; everything else goes on whoever leads.
//
// It is not client-go's leaderelection, which polls, cannot take a Lease at the moment it is released, and
// ends when the Lease is lost. Here the others watch the Lease and take it at once when it is free, and a
// leader that cannot renew it freezes: it writes nothing until it renews again or somebody else leads, and
// nothing of it ends.
//
// Two agents never lead at once. A leader stops RenewWithin after it sent its last renewal; another agent
// takes the Lease over only after it saw it unchanged for Duration by its own clock, which began later; and
// every write names the version of the Lease that it replaces. Who deletes the Lease by hand, or empties
// its holder, gives it away at once: for the moment until the old leader sees that, two may lead.
//
// An API server that was away gives the Lease back to whoever held it, if it is still there: the others
// wait three Retry before they conclude that it is not.
//
// What is decided is in core, which has neither goroutine nor clock; the rest moves its requests.
package election
