// Command faults breaks clustersets on purpose, as networks, machines, people and enemies do, and says what a user
// notices: real control planes, real agents, and between the agents a network that does as it is told.
//
// In: the flags -run (which faults, by number), -short (short timers, for CI) and -write (make docs/faults.md anew),
// and the table faults, in which each fault has a number, what a user sees, the outcome that is asserted and its steps.
// Out: a line for each step and each measured time, and at the end the table of results; the exit status says whether
// every outcome was as asserted.
//
// Owned here: for each fault a clusterset of its own, from its start to its end. Each member listens on, and dials from,
// a loopback address of its own, and tells the others the address of a proxy; so the network knows of every
// connection whose it is, and can cut, hold, delay, throttle or forget it, for each ordered pair of members. Lost
// packets are nftables' part, and need root. A user asks DNS, holds an xDS stream and watches EndpointSlices all the
// while; a request of his counts as lost when the answer was none, negative, or had only endpoints that the fault killed.
package main
