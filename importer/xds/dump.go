package xds

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
)

// Dumped is one resource as clients of an Audience are told it.
type Dumped struct {
	TypeURL, Name, Version string
	Message                proto.Message // of the type
}

var messages = [kinds]func() proto.Message{
	clusterKind:    func() proto.Message { return &clusterv3.Cluster{} },
	assignmentKind: func() proto.Message { return &endpointv3.ClusterLoadAssignment{} },
	listenerKind:   func() proto.Message { return &listenerv3.Listener{} },
	routeKind:      func() proto.Message { return &routev3.RouteConfiguration{} },
}

// Serving reports whether clients are answered: once the first View is shown. Before that there is nothing to Dump.
func (s *Server) Serving() bool { return s.serving.Load() }

// Dump returns what clients of an Audience are told now under a name, read from the bytes that they get; nil for nothing. The
// error says that there is no such type.
func (s *Server) Dump(a Audience, typeURL, name string) (*Dumped, error) {
	k, ok := kindOf(typeURL)
	if !ok {
		return nil, fmt.Errorf("type %q: want one of %q", typeURL, typeURLs)
	}
	r := s.store.current(key{k, name})
	if r == nil {
		return nil, nil
	}
	b, err := r.encode(a)
	if b == nil {
		return nil, err
	}
	m := messages[k]()
	if err := proto.Unmarshal(b.value(), m); err != nil {
		return nil, fmt.Errorf("reading %s %s: %w", typeURL, name, err)
	}
	return &Dumped{TypeURL: typeURL, Name: name, Version: b.version, Message: m}, nil
}

// Names returns the names of all resources of a type that some client may be told, sorted; none of a type that is not
// served.
func (s *Server) Names(typeURL string) []string {
	k, ok := kindOf(typeURL)
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(s.store.named(k)))
}

// Quarantined returns the resources that are not told, or not wholly, because clients would refuse them, by type and name,
// with what is wrong with them.
func (s *Server) Quarantined() map[string]string {
	all := map[string]string{}
	for k, err := range s.store.faults() {
		all[shortTypes[k.kind]+" "+k.name] = err.Error()
	}
	return all
}

var shortTypes = [kinds]string{"Cluster", "ClusterLoadAssignment", "Listener", "RouteConfiguration"}

func versionText(major, minor, patch uint32) string {
	return strconv.FormatUint(uint64(major), 10) + "." + strconv.FormatUint(uint64(minor), 10) + "." + strconv.FormatUint(uint64(patch), 10)
}
