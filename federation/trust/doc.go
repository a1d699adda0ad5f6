// Package trust decides who may speak, and holds the one port on which members speak.
//
// In: three PEM texts (certificate, key, CA bundle) that make this member's Identity, from files that are
// watched or from elsewhere; and TCP connections from anywhere.
//
// Out: Conns, mutually authenticated TLS 1.3 connections whose Peer is a cluster of this clusterset. A
// Port hands each to the listener of its ALPN protocol; Dial opens one to another member. The Port of a
// standby passes every connection on to its leader, byte for byte, and so never sees who speaks. To join,
// which package enroll is about, a stranger is let in too, to that protocol alone.
//
// Owned here: the name in a member's certificate, spiffe://<clusterset>/cluster/<cluster-id>, and every
// check of it. A certificate proves which cluster speaks and nothing else: what that cluster may say is
// the business of the packages that read the connection.
//
// Who holds a member's own files may ask its agent by ProtoReport how it is; the protocol's server sees by the
// Peer that it is no other member.
//
// An Authority is a clusterset's own CA, for those who bring none. It signs a Request, and makes Tokens,
// by which a cluster that has nothing yet knows whom it may ask, and is known.
package trust
