package xds

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"net/netip"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// portion is what one cluster's Export gives to one port: its endpoints as clients are told them, in all assignments
// that hold them. It is immutable, and holds nothing of an endpoint but its encoding, and its address where that may be
// another cluster's too.
type portion struct {
	source
	without []netip.AddrPort // left to other clusters, sorted
	claims  []netip.AddrPort // of all endpoints, sorted; nil until there were some between those of another cluster (see settle)

	extents [families]extent // of IPv4 and of IPv6, of all endpoints whatever their conditions
	ready   []fragment
	leaving []fragment // those that serve until they are gone
	unready []fragment // counted alone: of those that can come back
}

// families is how many families of addresses there are.
const families = 2

// source is what a portion depends on.
type source struct {
	export *federation.Export
	port   importer.Port
}

// fragment is the endpoints of one cluster in one zone.
type fragment struct {
	region, zone string
	count        uint32
	encoded      []byte  // as fields of a LocalityLbEndpoints
	sum          [8]byte // of encoded
}

// extent is from the lowest to the highest of some addresses; the zero extent is of none.
type extent struct{ lowest, highest netip.Addr }

func (e extent) overlaps(o extent) bool {
	return e.lowest.IsValid() && o.lowest.IsValid() && e.lowest.Compare(o.highest) <= 0 && o.lowest.Compare(e.highest) <= 0
}

// place is one endpoint at the port that it serves.
type place struct {
	address      netip.AddrPort
	tier         int // see tierOf
	ends         bool
	region, zone string
}

// newPortion encodes the endpoints that serve the port, each address once, without those that are left to others.
func newPortion(src source, without []netip.AddrPort) *portion {
	p := &portion{source: src, without: without}
	places := src.places()
	p.measure(places)
	p.unready = unready(places)
	places = slices.DeleteFunc(places, func(e place) bool {
		_, taken := slices.BinarySearchFunc(without, e.address, netip.AddrPort.Compare)
		return taken || e.tier == unfit
	})
	if !slices.IsSortedFunc(places, nearby) {
		slices.SortStableFunc(places, nearby) // by address within each
	}
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].together(places[0]) {
			n++
		}
		if places[0].tier == firstChoice {
			p.ready = append(p.ready, newFragment(places[:n]))
		} else {
			p.leaving = append(p.leaving, newFragment(places[:n]))
		}
		places = places[n:]
	}
	return p
}

// unready counts the endpoints that are of no use now.
func unready(places []place) (list []fragment) {
	for _, e := range places {
		if e.tier != unfit || e.ends {
			continue
		}
		i := slices.IndexFunc(list, func(f fragment) bool { return f.region == e.region && f.zone == e.zone })
		if i < 0 {
			i, list = len(list), append(list, fragment{region: e.region, zone: e.zone})
		}
		list[i].count++
	}
	return list
}

// places returns the endpoints that serve the port, by address, each once: of several with the same address the most
// useful.
func (s source) places() []place {
	var list []place
	for i := range s.export.Subsets {
		subset := &s.export.Subsets[i]
		number, ok := importer.TargetPort(s.export, subset, s.port)
		if !ok {
			continue
		}
		list = slices.Grow(list, len(subset.Endpoints))
		for j := range subset.Endpoints {
			if e := &subset.Endpoints[j]; e.Address.IsValid() {
				list = append(list, newPlace(e, number))
			}
		}
	}
	slices.SortFunc(list, func(a, b place) int {
		if c := a.address.Compare(b.address); c != 0 {
			return c
		}
		return nearby(a, b)
	})
	return slices.CompactFunc(list, func(a, b place) bool { return a.address == b.address })
}

// nearby compares endpoints by what is told together, the most useful first.
func nearby(a, b place) int {
	return cmp.Or(cmp.Compare(b.tier, a.tier), strings.Compare(a.region, b.region), strings.Compare(a.zone, b.zone))
}

// addresses returns where those endpoints are.
func (s source) addresses() []netip.AddrPort {
	places := s.places()
	list := make([]netip.AddrPort, len(places))
	for i, e := range places {
		list[i] = e.address
	}
	return list
}

// portionOf returns what a cluster gives, nil for nothing. The portions are sorted by cluster.
func portionOf(portions []*portion, c federation.ClusterID) *portion {
	i, found := slices.BinarySearchFunc(portions, c, func(p *portion, c federation.ClusterID) int {
		return cmp.Compare(p.export.Cluster, c)
	})
	if !found {
		return nil
	}
	return portions[i]
}

// newPlace writes an address in the one form that gRPC and we compare: an IPv4 address is not written as IPv6, and there
// is no zone, which means nothing in another cluster.
func newPlace(e *federation.Endpoint, port uint16) place {
	return place{
		address: netip.AddrPortFrom(e.Address.Unmap().WithZone(""), port),
		tier:    tierOf(e.Conditions),
		ends:    e.Conditions.Has(federation.Terminating),
		region:  strings.ToValidUTF8(e.Region, "_"),
		zone:    strings.ToValidUTF8(e.Zone, "_"),
	}
}

func (p place) together(o place) bool {
	return p.tier == o.tier && p.region == o.region && p.zone == o.zone
}

// The tiers of endpoints. Those of the second are of use only where there is none of the first, as to kube-proxy.
const (
	unfit = iota
	lastResort
	firstChoice
)

func tierOf(c federation.Conditions) int {
	switch {
	case c.Has(federation.Ready):
		return firstChoice
	case c.Has(federation.Serving | federation.Terminating):
		return lastResort
	}
	return unfit
}

// measure notes the extents of places, which are sorted.
func (p *portion) measure(places []place) {
	for _, e := range places {
		x := &p.extents[0]
		if e.address.Addr().Is6() {
			x = &p.extents[1]
		}
		if !x.lowest.IsValid() {
			x.lowest = e.address.Addr()
		}
		x.highest = e.address.Addr()
	}
}

// The numbers of the fields that lead from a LocalityLbEndpoints to an address and its health.
const (
	localityEndpoints protowire.Number = 2 // of LocalityLbEndpoints
	endpointEndpoint  protowire.Number = 1 // of LbEndpoint
	endpointHealth    protowire.Number = 2
	endpointAddress   protowire.Number = 1 // of Endpoint
	addressSocket     protowire.Number = 1 // of Address
	socketAddress     protowire.Number = 2 // of SocketAddress
	socketPort        protowire.Number = 3
)

// usualSize is how long an endpoint with an IPv4 address is, at most.
const usualSize = 36

func newFragment(places []place) fragment {
	encoded := make([]byte, 0, usualSize*len(places))
	for _, e := range places {
		encoded = appendEndpoint(encoded, e.address)
	}
	f := fragment{region: places[0].region, zone: places[0].zone, count: uint32(len(places)), encoded: bytes.Clone(encoded)}
	sum := sha256.Sum256(f.encoded)
	copy(f.sum[:], sum[:])
	return f
}

// appendEndpoint appends a healthy LbEndpoint as a field of a LocalityLbEndpoints: byte for byte what protobuf makes of
// it, at a tenth of the time.
func appendEndpoint(b []byte, a netip.AddrPort) []byte {
	var text [64]byte
	address := a.Addr().AppendTo(text[:0])
	socket := protowire.SizeTag(socketAddress) + protowire.SizeBytes(len(address))
	if a.Port() != 0 {
		socket += protowire.SizeTag(socketPort) + protowire.SizeVarint(uint64(a.Port()))
	}
	inAddress := protowire.SizeTag(addressSocket) + protowire.SizeBytes(socket)
	inEndpoint := protowire.SizeTag(endpointAddress) + protowire.SizeBytes(inAddress)
	whole := protowire.SizeTag(endpointEndpoint) + protowire.SizeBytes(inEndpoint) +
		protowire.SizeTag(endpointHealth) + protowire.SizeVarint(uint64(corev3.HealthStatus_HEALTHY))

	b = appendLength(b, localityEndpoints, whole)
	b = protowire.AppendVarint(protowire.AppendTag(b, endpointHealth, protowire.VarintType), uint64(corev3.HealthStatus_HEALTHY))
	b = appendLength(b, endpointEndpoint, inEndpoint)
	b = appendLength(b, endpointAddress, inAddress)
	b = appendLength(b, addressSocket, socket)
	b = appendLength(b, socketAddress, len(address))
	b = append(b, address...)
	if a.Port() != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, socketPort, protowire.VarintType), uint64(a.Port()))
	}
	return b
}

// appendLength appends the beginning of a field of n bytes.
func appendLength(b []byte, field protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), uint64(n))
}
