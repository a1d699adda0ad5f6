// Package agent wires a member together: Options in, Run until the context ends.
//
// Owned here is what has to be true before a member may speak: the CRDs of the MCS API and their release, and
// ClusterProperties that agree with the flags. Every component is one Runnable of one manager, or runs beside it because it must
// answer before the manager can start (health, metrics, and DNS, which until then says that it does not
// know yet); tests run several agents in one process.
package agent
