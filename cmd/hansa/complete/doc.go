// Package complete finds the names that a shell offers in the middle of a command: contexts, namespaces, Services, clusters,
// tokens.
//
// In: a way to the cluster, with the rights of whoever types, and what is typed so far. Out: the names that go on from
// there, each with a few words. Every look-up is bounded, in time and in how much it gives, and of one that fails nothing is
// said: a person is in the middle of a line. Then what was found before it failed is all there is.
package complete
