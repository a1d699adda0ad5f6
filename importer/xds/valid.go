package xds

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// validate returns why a client would refuse m, or drop a part of it without a word; the error names the field. It is
// what the definitions of the messages demand, and what gRPC and Envoy demand beyond. A client refuses a whole response
// for one bad resource, so no cluster, listener or virtual host is told that was not asked of this. Assignments, and routes
// as a whole, are not asked: what assemble and routes make is valid whatever they are given, which tests judge on random
// input.
func validate(m proto.Message) error {
	err := byDefinition(m)
	if err == nil {
		switch m := m.(type) {
		case *clusterv3.Cluster:
			err = validCluster(m)
		case *listenerv3.Listener:
			err = validListener(m)
		case *routev3.VirtualHost:
			err = validVirtualHost(m)
		}
	}
	if err != nil {
		return fmt.Errorf("validate %s: %w", proto.MessageName(m).Name(), err)
	}
	return nil
}

// byDefinition checks the rules that are written in the definition of m. They do not reach into an Any.
func byDefinition(m proto.Message) error {
	if v, ok := m.(interface{ ValidateAll() error }); ok {
		return v.ValidateAll()
	}
	return nil
}

// demand is what a client demands of a field: broken says whether it is not met, what names the field and says how.
type demand struct {
	broken bool
	what   string
}

// unmet returns the first of the demands that is not met.
func unmet(demands ...demand) error {
	for _, d := range demands {
		if d.broken {
			return errors.New(d.what)
		}
	}
	return nil
}

// unpack returns the configuration of an extension if its own rules are met.
func unpack(field string, a *anypb.Any) (proto.Message, error) {
	m, err := a.UnmarshalNew()
	if err == nil {
		err = byDefinition(m)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	return m, nil
}

// overADS reports whether a source is one that both gRPC and Envoy take.
func overADS(s *corev3.ConfigSource) bool {
	return (s.GetAds() != nil || s.GetSelf() != nil) && s.GetResourceApiVersion() == corev3.ApiVersion_V3
}

func validCluster(c *clusterv3.Cluster) error {
	ring := c.GetRingHashLbConfig()
	least, most := uint64(1024), uint64(8<<20) // the defaults
	if v := ring.GetMinimumRingSize(); v != nil {
		least = v.GetValue()
	}
	if v := ring.GetMaximumRingSize(); v != nil {
		most = v.GetValue()
	}
	policies := []clusterv3.Cluster_LbPolicy{clusterv3.Cluster_ROUND_ROBIN, clusterv3.Cluster_RING_HASH, clusterv3.Cluster_LEAST_REQUEST}
	err := unmet(
		demand{!utf8.ValidString(c.GetName()), "name: is not UTF-8"},
		demand{c.GetType() != clusterv3.Cluster_EDS || c.GetClusterType() != nil, "type: is not EDS"},
		demand{!overADS(c.GetEdsClusterConfig().GetEdsConfig()), "eds_cluster_config.eds_config: is neither ads nor self of version 3"},
		demand{strings.HasPrefix(c.GetName(), "xdstp:") && c.GetEdsClusterConfig().GetServiceName() == "",
			"eds_cluster_config.service_name: is empty"},
		demand{!slices.Contains(policies, c.GetLbPolicy()), "lb_policy: is not one that gRPC knows"},
		demand{c.GetLoadBalancingPolicy() != nil, "load_balancing_policy: not every client knows it"},
		demand{ring.GetHashFunction() != clusterv3.Cluster_RingHashLbConfig_XX_HASH, "ring_hash_lb_config.hash_function: is not XX_HASH"},
		demand{least > most, "ring_hash_lb_config.minimum_ring_size: is above the maximum"},
		demand{len(c.GetTransportSocketMatches()) > 0, "transport_socket_matches: gRPC takes none"},
		demand{c.GetLrsServer() != nil && c.GetLrsServer().GetSelf() == nil, "lrs_server: is not self"},
	)
	if err != nil {
		return err
	}
	options := c.GetTypedExtensionProtocolOptions()
	for _, name := range slices.Sorted(maps.Keys(options)) {
		field := fmt.Sprintf("typed_extension_protocol_options[%s]", name)
		m, err := unpack(field, options[name])
		if err != nil {
			return err
		}
		if string(proto.MessageName(m)) != name {
			return fmt.Errorf("%s: holds a %s", field, proto.MessageName(m))
		}
	}
	return nil
}

// socketOf returns the one IP address and port that an Address must be: Envoy resolves no names in an assignment.
func socketOf(a *corev3.Address) (netip.AddrPort, error) {
	socket := a.GetSocketAddress()
	ip, err := netip.ParseAddr(socket.GetAddress())
	port := socket.GetPortValue()
	if err != nil || ip.Zone() != "" || port == 0 || port > math.MaxUint16 {
		return netip.AddrPort{}, fmt.Errorf("address: %q port %d is no IP address and port", socket.GetAddress(), port)
	}
	return netip.AddrPortFrom(ip.Unmap(), uint16(port)), nil
}
