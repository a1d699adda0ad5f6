package xds

import (
	"crypto/sha256"
	"encoding/hex"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of the fields of a ClusterLoadAssignment down to the endpoints of a locality.
const (
	assignmentName      protowire.Number = 1 // of ClusterLoadAssignment
	assignmentEndpoints protowire.Number = 2
	localityLocality    protowire.Number = 1 // of LocalityLbEndpoints; 2 is localityEndpoints
	localityWeight      protowire.Number = 3
	localityPriority    protowire.Number = 5
	localityRegion      protowire.Number = 1 // of Locality
	localityZone        protowire.Number = 2
	localitySubZone     protowire.Number = 3
	wrappedValue        protowire.Number = 1 // of UInt32Value
)

// assemble lays groups behind one another as a ClusterLoadAssignment, around the bytes of their fragments, which are not
// copied: so an assignment costs no more to hold and to change for one Audience more. Each locality has the weight of its
// endpoints, so that each endpoint of a priority gets the same share; without a weight gRPC ignores it.
func assemble(name string, groups []group) *body {
	sum := sha256.New()
	pieces := make([][]byte, 0, 1+2*len(groups))
	frame := appendText(make([]byte, 0, 64*(1+len(groups))), assignmentName, name)
	begin := 0
	for _, g := range groups {
		head, tail := g.head(), g.tail()
		frame = appendLength(frame, assignmentEndpoints, len(head)+len(g.encoded)+len(tail))
		frame = append(frame, head...)
		pieces = append(pieces, frame[begin:len(frame):len(frame)], g.encoded)
		begin = len(frame)
		frame = append(frame, tail...)
		_, _ = sum.Write(g.sum[:])
	}
	pieces = append(pieces, frame[begin:])
	_, _ = sum.Write(frame)
	return newBody(name, hex.EncodeToString(sum.Sum(nil)[:8]), pieces...)
}

// head is what comes before the endpoints of a LocalityLbEndpoints: where they are, by region and zone, and by cluster as
// the sub-zone. It is there even where it says nothing but the cluster, because gRPC wants it.
func (g group) head() []byte {
	l := appendText(appendText(appendText(nil, localityRegion, g.region), localityZone, g.zone), localitySubZone, g.cluster)
	return append(appendLength(nil, localityLocality, len(l)), l...)
}

// tail is what comes behind the endpoints.
func (g group) tail() []byte {
	value := protowire.AppendVarint(protowire.AppendTag(nil, wrappedValue, protowire.VarintType), uint64(g.load))
	b := append(appendLength(nil, localityWeight, len(value)), value...)
	if g.priority != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, localityPriority, protowire.VarintType), uint64(g.priority))
	}
	return b
}

// appendText appends a field that is left out where it is empty.
func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), text)
}
