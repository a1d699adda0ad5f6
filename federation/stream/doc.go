// Package stream moves Exports from their owner to whoever is behind.
//
// In: a federation.Store, a listener of authenticated connections, the members that gossip knows.
// Out: the records of the other clusters, applied to the Store; each peer's liveness, as Store.Heard.
//
// Between two members there is one bidirectional gRPC stream, whichever dialed; the records of both flow
// in it. Session is the protocol of one peer: a type without goroutine or clock, to which frames and
// changes go in and from which frames come out. link moves its frames, Exchange keeps one link per peer.
//
// Owned here: the messages of the wire (package wire) and everything that is checked of them. A peer
// speaks for the cluster that its certificate names, and for no other.
package stream
