package xds

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// portSpec is what is said of one port of a host.
type portSpec struct {
	port     importer.Port
	cluster  clusterSpec // its assignment has the same name
	listener apiListener
	virtual  virtualHost // the zero value where http is false
	http     bool        // Envoy may send it requests: it speaks HTTP in the clear
}

// portSpecs yields what is said of each TCP port of s, in their order, under the name that s has in domain. A service
// whose name is none has no host.
func portSpecs(s *importer.Service, domain string) iter.Seq[portSpec] {
	return func(yield func(portSpec) bool) {
		if s.Name.Check() != nil {
			return
		}
		host := s.Name.Name + "." + s.Name.Namespace + ".svc." + domain
		bare := barePort(s.Ports)
		for _, p := range s.Ports {
			if p.Protocol == federation.TCP && !yield(newPortSpec(p, host, p.Number == bare, s.SessionAffinity == "ClientIP")) {
				return
			}
		}
	}
}

func newPortSpec(p importer.Port, host string, bare, sticky bool) portSpec {
	l7 := protocolOf(p.AppProtocol)
	name, cluster := fmt.Sprintf("%s:%d", host, p.Number), fmt.Sprintf("outbound|%d||%s", p.Number, host)
	spec := portSpec{
		port:     p,
		cluster:  clusterSpec{name: cluster, http2: l7 == http2, sticky: sticky},
		listener: apiListener{name: name, cluster: cluster, sticky: sticky},
		http:     l7 != opaque,
	}
	if spec.http {
		spec.virtual = virtualHost{name: name, cluster: cluster, sticky: sticky}
	}
	if spec.http && bare {
		spec.virtual.bare = host
	}
	return spec
}

// barePort returns which port requests without one go to: 80, as everywhere, or else the first that speaks HTTP, since
// a Host without a port names the service and there is no better guess. It is 0 where none speaks HTTP.
func barePort(ports []importer.Port) uint16 {
	first := uint16(0)
	for _, p := range ports {
		if p.Protocol != federation.TCP || protocolOf(p.AppProtocol) == opaque {
			continue
		}
		if p.Number == 80 {
			return 80
		}
		if first == 0 {
			first = p.Number
		}
	}
	return first
}

// protocol is how Envoy speaks to a port.
type protocol int

const (
	opaque protocol = iota // not HTTP in the clear
	http1
	http2
)

// The application protocols that are HTTP in the clear, in lower case. "kubernetes.io/…" are those that Kubernetes itself
// defines (KEP-3726) and that the Gateway API tests (GEP-1911); "http" is of the registry of service names; meshes and
// gateways have read the others for years, also grpc-web as HTTP/2. What is TLS inside (https, kubernetes.io/wss, grpcs,
// h2) is not there: its requests cannot be seen, and a request in the clear would be refused.
var (
	http1Names = []string{"", "http", "kubernetes.io/ws"}
	http2Names = []string{"kubernetes.io/h2c", "h2c", "http2", "grpc", "grpc-web"}
)

// protocolOf reads what a Service says of a port; case does not matter, as meshes have it. HTTP/1.1 is what a port
// that says nothing is likely to speak, if it speaks HTTP.
func protocolOf(appProtocol string) protocol {
	switch name := strings.ToLower(appProtocol); {
	case slices.Contains(http2Names, name):
		return http2
	case slices.Contains(http1Names, name):
		return http1
	}
	return opaque
}
