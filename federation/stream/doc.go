// Package stream moves Exports from their owner to whoever is behind.
//
// In: a federation.Store, a listener of authenticated connections, the members that gossip knows, and what this
// agent is to its cluster. Out: the records of the other clusters, applied to the Store; each peer's liveness, as
// Store.Heard.
//
// Between the leaders of two clusters there is one bidirectional gRPC stream, whichever dialed; the records of both
// flow in it. A standby has one stream, to its leader, from which it takes all that the leader holds. Session is the
// protocol of one stream: a type without goroutine or clock, to which frames and changes go in and from which frames
// come out; its sender says what this side may say, its receiver takes what the other says. link moves its frames,
// Exchange keeps the links that go with this agent's standing.
//
// Both sides say hello with how much they have of the other: version and digest. What the log of changes knows is
// sent as changes, single endpoints of large services included. What it does not know is found by hashes: the side
// that lacks tells those of what it has, and is sent the rest. Heartbeats carry version and digest, so that two who
// are at one version and hold different sets find out within a second.
//
// Owned here: the messages of the wire (package wire) and everything that is checked of them. A peer
// speaks for the cluster that its certificate names, and for no other, unless that is our own and we follow it.
package stream
