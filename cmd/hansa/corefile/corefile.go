// Package corefile writes what CoreDNS is to be told of the zone of the clusterset, in its own language.
//
// In: the zone and, where CoreDNS is to ask the agents, their addresses. Out: a server block for its Corefile. There are two
// ways in: CoreDNS forwards the zone to the agents, or it reads the ServiceImports and EndpointSlices that they write.
//
// Either is a server block of its own, because what is said in the block of the cluster's own zone would hold here too: its
// cache would go on with answers that are none any more, and its loadbalance would undo the order in which the agents put
// this cluster's endpoints first. CoreDNS asks the block whose zone is the longest that a name ends in and no other, so a zone
// that overlaps the cluster's own would take names from it.
package corefile

import (
	"fmt"
	"strings"
	"time"
)

// FirstMulticluster is the first release of CoreDNS whose plugin kubernetes can serve a clusterset.
const FirstMulticluster = "1.12.2"

// Forward returns the block by which CoreDNS asks the agents. Addresses are as Upstream returns them, at most MostUpstreams;
// CoreDNS asks any of them, so each has to be able to answer all.
func Forward(zone string, addresses []string) string {
	return block(zone, "forward . "+strings.Join(addresses, " "))
}

// Multicluster returns the block by which CoreDNS, from FirstMulticluster on, answers by itself from what the agents write,
// and lets others remember that for ttl, in whole seconds. It has loadbalance, as CoreDNS by itself gives the endpoints of
// headless services in one order for ever.
func Multicluster(zone string, ttl time.Duration) string {
	name := trim(zone)
	return block(zone, "kubernetes "+name+" {", "    multicluster "+name, fmt.Sprintf("    ttl %d", ttl/time.Second), "}", "loadbalance")
}

// block is a server block with errors logged and without a cache.
func block(zone string, lines ...string) string {
	return trim(zone) + ":53 {\n    errors\n    " + strings.Join(lines, "\n    ") + "\n}\n"
}

// trim lets a zone be written with or without the dot of the root.
func trim(zone string) string { return strings.TrimSuffix(zone, ".") }
