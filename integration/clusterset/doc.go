// Package clusterset runs a whole clusterset on this machine: a real control plane and a hansa-agent for
// each cluster, joined by certificates of a CA made for the occasion.
//
// In: the names of the clusters. Out: a Member for each, with a client of its API server and the
// addresses of its agent. Agents run as processes, or, for tests under the race detector, in this one.
// Owned here: the control planes (by lab), the CA and its files, the agents; Stop ends all of it.
package clusterset
