package main

import (
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"
)

func TestEndpointsOfHeadlessServicesAreSpreadAndHaveTheirNames(t *testing.T) {
	asked, addresses := map[string]bool{}, map[string]bool{}
	for i := range dnsHeadless {
		for _, owner := range clusters {
			slice := dnsHeadlessService(i, owner)[1].(*discoveryv1.EndpointSlice)
			if n := len(slice.Endpoints); n < dnsEndpoints/len(clusters) {
				t.Fatalf("%s has %d endpoints of %s, want a third of %d", owner, n, slice.Name, dnsEndpoints)
			}
			for _, e := range slice.Endpoints {
				asked[*e.Hostname+"."+owner+"."+dnsHost(slice.Name)] = true
				addresses[e.Addresses[0]] = true
			}
		}
	}
	if want := dnsHeadless * dnsEndpoints; len(asked) != want || len(addresses) != want {
		t.Errorf("there are %d names and %d addresses, want %d of each", len(asked), len(addresses), want)
	}
	for i := range dnsHeadless {
		for k := range dnsEndpoints {
			if name := dnsEndpointHost(i, k); !asked[name] {
				t.Fatalf("%s is asked for, and is not the name of an endpoint", name)
			}
		}
	}
}
