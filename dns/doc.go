// Package dns answers the clusterset zone, clusterset.local, on UDP and TCP.
//
// In: questions from the network, and importer Views; the View is taken once for each question.
//
// Out: the records of the KEP-1645 DNS specification (specification.md, schema 1.0.0), as the
// multicluster zones of CoreDNS give them. What is said, and to which name, is in Answer, which is pure:
// parse turns a name into one of the shapes that the zone has, and each shape has one function. Around
// it, Server moves packets and bounds them.
//
// Owned here: the two sockets of a Server and the goroutines that serve them, from New until Start
// returns. DNS messages are nowhere else in the project.
package dns
