package xds

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// The types of the resources that are served.
const (
	ClusterType  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	EndpointType = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	ListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener"
)

// Resource is one xDS resource, encoded once for all streams. It is immutable.
type Resource struct {
	TypeURL string
	Name    string
	Version string // a hash of the content, the same in every replica
	Body    *anypb.Any

	gone bool // the empty assignment of a cluster that went
}

// Resources returns what clients of the cluster own are told of s: for each TCP port a Cluster, its
// ClusterLoadAssignment and a Listener, named after the service's host in domain. It is pure: equal
// arguments give equal bytes. Nothing in it is refused by gRPC, whatever the exports hold: addresses
// occur once, localities have a name and a weight, priorities start at 0 without a gap.
func Resources(s *importer.Service, own federation.ClusterID, domain string) []Resource {
	var list []Resource
	for p, names := range served(s, domain) {
		list = append(list,
			pack(ClusterType, names.cluster, newCluster(names.cluster)),
			pack(EndpointType, names.cluster, newAssignment(names.cluster, s, p, own)),
			pack(ListenerType, names.listener, newListener(names.listener, names.cluster)))
	}
	return list
}

// portNames are the names of the resources of one port. The assignment is called like its cluster.
type portNames struct{ listener, cluster string }

// served yields the ports of s that have resources, and how these are called. A service whose name is
// none has no host.
func served(s *importer.Service, domain string) iter.Seq2[importer.Port, portNames] {
	return func(yield func(importer.Port, portNames) bool) {
		if s.Name.Check() != nil {
			return
		}
		host := s.Name.Name + "." + s.Name.Namespace + ".svc." + domain
		for _, p := range s.Ports {
			names := portNames{
				listener: fmt.Sprintf("%s:%d", host, p.Number),
				cluster:  fmt.Sprintf("outbound|%d||%s", p.Number, host),
			}
			if p.Protocol == federation.TCP && !yield(p, names) {
				return
			}
		}
	}
}

// pack encodes m deterministically.
func pack(typeURL, name string, m proto.Message) Resource {
	value := encode(m)
	sum := sha256.Sum256(value)
	return Resource{
		TypeURL: typeURL,
		Name:    name,
		Version: hex.EncodeToString(sum[:8]),
		Body:    &anypb.Any{TypeUrl: typeURL, Value: value},
	}
}

// wrap encodes m as the configuration of an extension.
func wrap(m proto.Message) *anypb.Any {
	return &anypb.Any{TypeUrl: "type.googleapis.com/" + string(proto.MessageName(m)), Value: encode(m)}
}

// encode cannot fail: the only error of a complete message is a string that is not UTF-8, and every
// string of a resource is a checked name or made valid.
func encode(m proto.Message) []byte {
	value, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("xds: encode %s: %v", proto.MessageName(m), err))
	}
	return value
}
