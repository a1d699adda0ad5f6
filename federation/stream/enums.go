package stream

import (
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
)

// enum pairs the words of the model with the numbers of the wire. A word or number that is not in it
// becomes the zero value, which Export.Check refuses.
type enum[W ~string, N ~int32] map[W]N

func (m enum[W, N]) encode(word W) N { return m[word] }

func (m enum[W, N]) decode(number N) W {
	for word, n := range m {
		if n == number {
			return word
		}
	}
	return ""
}

var (
	types = enum[federation.ServiceType, wire.Type]{
		federation.ClusterSetIP: wire.Type_TYPE_CLUSTER_SET_IP,
		federation.Headless:     wire.Type_TYPE_HEADLESS,
	}
	protocols = enum[federation.Protocol, wire.Protocol]{
		federation.TCP:  wire.Protocol_PROTOCOL_TCP,
		federation.UDP:  wire.Protocol_PROTOCOL_UDP,
		federation.SCTP: wire.Protocol_PROTOCOL_SCTP,
	}
	families = enum[federation.IPFamily, wire.IPFamily]{
		federation.IPv4: wire.IPFamily_IP_FAMILY_IPV4,
		federation.IPv6: wire.IPFamily_IP_FAMILY_IPV6,
	}
)
