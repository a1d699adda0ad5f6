// Package agent wires a member together: Options in, Run until the context ends.
//
// It owns no rule. Every component is one Runnable of one manager, or runs beside it because it must
// answer before the manager can start (health, metrics, and DNS, which until then says that it does not
// know yet); tests run several agents in one process.
package agent
