// Package dns answers the clusterset zone, clusterset.local, on UDP and TCP.
//
// In: messages from the network, and importer Views; the View is taken once for each message.
//
// Out: the records of the KEP-1645 DNS specification (specification.md, schema 1.0.0), as the
// multicluster zones of CoreDNS give them. What is said, and to which name, is in Answer, which is pure:
// parse turns a name into one of the shapes that the zone has, and each shape has one function.
//
// The way of one message, all in the goroutine that read it: readRequest finds the question in it, and says what is to
// be dropped; responder has the reply packed, by Answer and pack, or finds it packed in its cache, which holds what
// depends on one Service for as long as the View has that very Service; packed.write puts what fits behind the
// question, as it was spelt, beginning with any record, so that clients which take the first one spread.
//
// Owned here: the sockets of a Server, one for UDP for each core, and the goroutines that serve them, each with a cache
// of its own, from New until Start returns. DNS messages are nowhere else in the project.
package dns
