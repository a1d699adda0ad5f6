package xds

import (
	"testing"

	"google.golang.org/protobuf/types/known/anypb"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// told is a resource as a client reads it.
type told struct {
	TypeURL, Name, Version string
	Body                   *anypb.Any
}

// near is a client in the zone z1 of the region r1.
var near = Audience{Kind: GRPC, Region: "r1", Zone: "z1"}

// resources returns what an Audience in the cluster own is told of s under its host in domain: for each port a Cluster, its
// assignment and a Listener.
func resources(t *testing.T, s *importer.Service, own federation.ClusterID, domain string, a Audience) []told {
	t.Helper()
	var list []told
	for p := range portSpecs(s, domain) {
		for k, c := range []content{p.cluster, newAssignment(p.cluster.name, s, p.port, own, nil), p.listener} {
			b, err := c.encode(a)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, b.told(kind(k)))
		}
	}
	return list
}

func (b *body) told(k kind) told {
	return told{TypeURL: typeURLs[k], Name: b.name, Version: b.version, Body: &anypb.Any{TypeUrl: typeURLs[k], Value: b.value()}}
}
