package main

import (
	"fmt"
	"net/netip"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/hansa-mcs/hansa/integration/echo"
)

// service is a Service of the demo, in namespace shop; it has a port for HTTP and one for gRPC.
type service struct{ name string }

const (
	httpPort = 80
	grpcPort = 9090
)

var (
	web        = service{"web"}        // the one that the demo is about
	lighthouse = service{"lighthouse"} // exported from the start to the end
)

// host is the name by which the service is found in every cluster.
func (s service) host() string { return s.name + ".shop.svc.clusterset.local" }

// manifest is the Service without selector; its endpoints are made by hand, as those of VMs are.
func (s service) manifest() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %s, namespace: shop}
spec: {ports: [{name: http, port: %d}, {name: grpc, port: %d}]}
`, s.name, httpPort, grpcPort)
}

// slice is one EndpointSlice of the service, with one backend.
func (s service) slice(b *echo.Server) string {
	return fmt.Sprintf(`apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %s, namespace: shop, labels: {kubernetes.io/service-name: %s}}
addressType: %s
ports: [{name: http, port: %d}, {name: grpc, port: %d}]
endpoints: [{addresses: ["%s"]}]
`, b.Name, s.name, family(b.HTTP.Addr()), b.HTTP.Port(), b.GRPC.Port(), b.HTTP.Addr())
}

func family(a netip.Addr) discoveryv1.AddressType {
	if a.Is6() {
		return discoveryv1.AddressTypeIPv6
	}
	return discoveryv1.AddressTypeIPv4
}
