// Package envoy runs the real Envoy, of the release that it pins, as a process of the caller: [Fetch] brings the
// program, once for a machine, [Find] says where it is, and [Start] runs it with a bootstrap.
//
// In: a bootstrap as an operator writes it. Out: a Proxy, which tells by Envoy's own admin interface what it was told
// and what became of it. Owned here: the process and its directory; Stop ends the one and removes the other.
//
// The program is too big to build, and nobody but its packagers for Python hands it out as a file that runs
// everywhere. So it is not on every machine: who needs it and has it not skips, and says so.
package envoy
