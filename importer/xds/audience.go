package xds

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hansa-mcs/hansa/federation"
)

// ClientKind is a family of clients, by what they understand.
type ClientKind int

// The kinds of clients. Other is who does not say what it is: it is told what every client understands.
const (
	Other ClientKind = iota
	GRPC
	Envoy
)

func (k ClientKind) String() string { return [...]string{"other", "grpc", "envoy"}[k] }

// Audience is all of a client that bears on what it is told: clients of one Audience are told the same. There are few
// of them, as all clients of a cluster are in its zones.
type Audience struct {
	Kind         ClientKind
	Region, Zone string         // of the client; "" where it does not say
	Egress       netip.AddrPort // where Envoy's listener for HTTP is to be; the zero value for none
}

const (
	// EgressKey is the key of an Envoy's node metadata that says at which IP:port the listener EgressName is to be.
	EgressKey = "hansa-egress"
	// maxAudiences is of how many localities clients are told apart. Those of further ones are told what those without a
	// locality are: who makes up localities costs no more than that.
	maxAudiences = 64
)

// audienceOf returns what a client says of itself. What it has no sense in is left out.
func audienceOf(node *corev3.Node) Audience {
	a := Audience{Kind: kindOfClient(node.GetUserAgentName(), node.GetUserAgentVersion()), Region: node.GetLocality().GetRegion(), Zone: node.GetLocality().GetZone()}
	if len(a.Region) > federation.MaxText || len(a.Zone) > federation.MaxText {
		a.Region, a.Zone = "", ""
	}
	if a.Kind == Envoy {
		a.Egress, _ = egressOf(node)
	}
	return a
}

// egressOf returns where an Envoy's listener is to be, the zero value where its node says nothing. The error says what is wrong
// with what it says.
func egressOf(node *corev3.Node) (netip.AddrPort, error) {
	var text string
	switch value := node.GetMetadata().GetFields()[EgressKey].GetKind().(type) {
	case nil, *structpb.Value_NullValue:
	case *structpb.Value_StringValue:
		text = value.StringValue
	case *structpb.Value_NumberValue:
		return netip.AddrPort{}, fmt.Errorf("node.metadata %s is the number %v: want a string, IP:port", EgressKey, value.NumberValue)
	default:
		return netip.AddrPort{}, fmt.Errorf("node.metadata %s is no string: want IP:port", EgressKey)
	}
	if text == "" {
		return netip.AddrPort{}, nil
	}
	address, err := netip.ParseAddrPort(text)
	if err != nil || address.Port() == 0 || address.Addr().Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("node.metadata %s is %q: want IP:port", EgressKey, clip(text))
	}
	return address, nil
}

// kindOfClient takes clients for gRPC only from the versions on that know hash rings, five years ago: older ones
// refuse all clusters for one that has a ring. They are told what others are, which is all that they need.
func kindOfClient(agent, version string) ClientKind {
	if agent == "envoy" {
		return Envoy
	}
	least := [2]int{1, 41} // gRPC for Go and for Java
	switch {
	case !strings.HasPrefix(agent, "gRPC"):
		return Other
	case strings.HasPrefix(agent, "gRPC C-core"):
		least = [2]int{21, 0} // C-core counts for itself: this came right after
	case strings.HasPrefix(agent, "gRPC Node"):
		least = [2]int{1, 10}
	}
	var major, minor int
	if i := strings.IndexAny(version, "0123456789"); i < 0 {
		return Other
	} else if _, err := fmt.Sscanf(version[i:], "%d.%d", &major, &minor); err != nil {
		return Other
	}
	if major > least[0] || major == least[0] && minor >= least[1] {
		return GRPC
	}
	return Other
}

// audiences are where the clients that are there say to be. Any goroutine may use it.
type audiences struct {
	mu    sync.Mutex
	users map[whereabouts]int
}

// whereabouts are where a client says to be.
type whereabouts struct{ region, zone string }

func (a Audience) whereabouts() whereabouts { return whereabouts{a.Region, a.Zone} }

// join returns a client's Audience, without its locality when there are too many, in all or of its origin. The client leaves
// it in the end.
func (s *audiences) join(a Audience, o *origin) Audience {
	s.mu.Lock()
	defer s.mu.Unlock()
	place := a.whereabouts()
	if s.users[place] == 0 && len(s.users) >= maxAudiences || o.places[place] == 0 && len(o.places) >= maxPlaces {
		place = whereabouts{}
	}
	if s.users == nil {
		s.users = map[whereabouts]int{}
	}
	s.users[place]++
	o.places[place]++
	a.Region, a.Zone = place.region, place.zone
	return a
}

// leave is the end of join.
func (s *audiences) leave(a Audience, o *origin) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, users := range []map[whereabouts]int{s.users, o.places} {
		if users[a.whereabouts()]--; users[a.whereabouts()] == 0 {
			delete(users, a.whereabouts())
		}
	}
}
