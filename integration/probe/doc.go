// Package probe asks a member what it answers, by each door, as its users would: DNS by a packet, xDS by
// a proxyless gRPC client and by a bare ADS stream.
package probe
