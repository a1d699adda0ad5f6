package dns

import (
	"strings"

	"github.com/hansa-mcs/hansa/federation"
)

// shape is what a name in the zone can be about.
type shape int

const (
	foreign       shape = iota // no name that the zone can have
	apex                       // the zone itself
	schema                     // says which version of the specification is served
	between                    // only leads to other names
	nameServer                 // the zone's name server
	namespaceName              // a namespace
	serviceName                // a service
	protocolName               // leads to the ports of a service with that protocol
	portName                   // a named port of a service
	clusterName                // what must not be: one cluster's part of a service (D6)
	endpointName               // an endpoint of a headless service
)

// name is a name in the zone by its meaning. Which fields are set depends on the shape.
type name struct {
	shape    shape
	service  federation.ServiceName
	port     string // without the underscore
	protocol string // without the underscore
	hostname string
	cluster  federation.ClusterID
}

// maxLabels is how many labels the longest shape has before the zone.
const maxLabels = 5

// parse tells what a name means, given what it has before the zone, in either case:
//
//	(nothing)                                          apex
//	dns-version                                        schema
//	dns, svc                                           between
//	ns.dns                                             nameServer
//	<namespace>.svc                                    namespaceName
//	<service>.<namespace>.svc                          serviceName
//	_<protocol>.<service>.<namespace>.svc              protocolName
//	<clusterid>.<service>.<namespace>.svc              clusterName
//	_<port>._<protocol>.<service>.<namespace>.svc      portName
//	<hostname>.<clusterid>.<service>.<namespace>.svc   endpointName
//
// Whether there is such a thing is not its question. Everything else is foreign, so is a name with an
// escaped character: no label of ours has one.
func parse(before string) name {
	if before == "" {
		return name{shape: apex}
	}
	labels, n := split(strings.ToLower(before))
	switch {
	case n == 0:
		return name{}
	case n == 1 && labels[0] == "dns-version":
		return name{shape: schema}
	case n == 1 && (labels[0] == "dns" || labels[0] == "svc"):
		return name{shape: between}
	case n == 2 && labels[0] == "dns" && labels[1] == "ns":
		return name{shape: nameServer}
	case labels[0] != "svc":
		return name{}
	}
	return parseService(labels, n)
}

// parseService tells the meaning of a name with n labels, at least two, that the zone has below svc.
func parseService(labels [maxLabels]string, n int) name {
	of := federation.ServiceName{Namespace: labels[1], Name: labels[2]}
	right, rightIsPort := strings.CutPrefix(labels[3], "_")
	left, leftIsPort := strings.CutPrefix(labels[4], "_")
	switch {
	case rightIsPort && right == "", leftIsPort && left == "":
		return name{}
	case n == 2:
		return name{shape: namespaceName, service: of}
	case n == 3:
		return name{shape: serviceName, service: of}
	case n == 4 && rightIsPort:
		return name{shape: protocolName, service: of, protocol: right}
	case n == 4:
		return name{shape: clusterName, service: of, cluster: federation.ClusterID(right)}
	case leftIsPort && rightIsPort:
		return name{shape: portName, service: of, port: left, protocol: right}
	case !leftIsPort && !rightIsPort:
		return name{shape: endpointName, service: of, hostname: left, cluster: federation.ClusterID(right)}
	}
	return name{}
}

// split returns the labels of a name, the last first, and how many there are: 0 for a name that has too
// many, an empty one or an escaped character.
func split(s string) (labels [maxLabels]string, n int) {
	if strings.Contains(s, `\`) {
		return labels, 0
	}
	for more := true; more; n++ {
		dot := strings.LastIndexByte(s, '.')
		label := s[dot+1:]
		if n == maxLabels || label == "" {
			return labels, 0
		}
		labels[n] = label
		if more = dot >= 0; more {
			s = s[:dot]
		}
	}
	return labels, n
}
