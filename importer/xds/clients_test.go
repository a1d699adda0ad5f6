package xds

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/hansa-mcs/hansa/federation"
)

// proxy is the node of an Envoy whose listener is to be at egress; "" says nothing of it.
func proxy(egress string) *corev3.Node {
	node := &corev3.Node{Id: "proxy", UserAgentName: "envoy"}
	if egress != "" {
		node.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{EgressKey: structpb.NewStringValue(egress)}}
	}
	return node
}

// software is the node of a client of that name and version.
func software(name, version string) *corev3.Node {
	return &corev3.Node{UserAgentName: name, UserAgentVersionType: &corev3.Node_UserAgentVersion{UserAgentVersion: version}}
}

func TestWhatAClientSaysOfItself(t *testing.T) {
	long := strings.Repeat("z", federation.MaxText)
	place := func(node *corev3.Node, region, zone string) *corev3.Node {
		node.Locality = &corev3.Locality{Region: region, Zone: zone, SubZone: "rack"}
		return node
	}
	number := proxy("x")
	number.Metadata.Fields[EgressKey] = structpb.NewNumberValue(15001)
	grpc := func(name string) *corev3.Node { return software(name, "1.85.0") }
	withEgress := grpc("gRPC Go")
	withEgress.Metadata = proxy("127.0.0.1:15001").Metadata
	tests := map[string]struct {
		node *corev3.Node
		want Audience
	}{
		"nothing":               {nil, Audience{}},
		"another name":          {grpc("envoyage"), Audience{}},
		"gRPC in Go":            {grpc("gRPC Go"), Audience{Kind: GRPC}},
		"gRPC in C":             {software("gRPC C-core linux", "C-core 51.0.0"), Audience{Kind: GRPC}},
		"gRPC in C before 1.43": {software("gRPC C-core linux", "C-core 20.0.0"), Audience{}},
		"gRPC in JavaScript":    {software("gRPC Node Pure JS", "1.10.0"), Audience{Kind: GRPC}},
		"gRPC without a ring":   {software("gRPC Go", "1.40.3"), Audience{}},
		"gRPC of no version":    {software("gRPC Go", ""), Audience{}},
		"egress at port 0":      {proxy("127.0.0.1:0"), Audience{Kind: Envoy}},
		"egress in a zone":      {proxy("[fe80::1%eth0]:80"), Audience{Kind: Envoy}},
		"gRPC with an egress":   {withEgress, Audience{Kind: GRPC}},
		"Envoy":                 {proxy(""), Audience{Kind: Envoy}},
		"Envoy with an egress":  {proxy("127.0.0.1:15001"), Audience{Kind: Envoy, Egress: netip.MustParseAddrPort("127.0.0.1:15001")}},
		"egress of IPv6":        {proxy("[::]:80"), Audience{Kind: Envoy, Egress: netip.MustParseAddrPort("[::]:80")}},
		"egress by name":        {proxy("localhost:15001"), Audience{Kind: Envoy}},
		"egress as a number":    {number, Audience{Kind: Envoy}},
		"a place":               {place(proxy(""), "r1", "z1"), Audience{Kind: Envoy, Region: "r1", Zone: "z1"}},
		"the longest zone":      {place(grpc("gRPC Go"), "r1", long), Audience{Kind: GRPC, Region: "r1", Zone: long}},
		"a zone that is longer": {
			place(grpc("gRPC Go"), "r1", long+"z"), Audience{Kind: GRPC},
		},
		"a region that is longer": {
			place(grpc("gRPC Go"), long+"z", "z1"), Audience{Kind: GRPC},
		},
	}
	for name, tt := range tests {
		if got := audienceOf(tt.node); got != tt.want {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
}

// Who makes up places costs no more than so many Audiences, and those who come then are told what fits everywhere.
func TestAudiencesAreFew(t *testing.T) {
	var s audiences
	at := func(i int) Audience { return Audience{Kind: GRPC, Region: "r", Zone: fmt.Sprint(i)} }
	others, o := newOrigin(), newOrigin()
	for i := range maxAudiences {
		from := newOrigin()
		if i == 0 {
			from = others
		}
		if got := s.join(at(i), from); got != at(i) {
			t.Fatalf("number %d became %+v", i, got)
		}
	}
	further := s.join(at(maxAudiences), o)
	if further != (Audience{Kind: GRPC}) {
		t.Errorf("one more became %+v", further)
	}
	if got := s.join(at(0), others); got != at(0) {
		t.Errorf("one of those that are there became %+v", got)
	}
	s.leave(at(0), others)
	if got := s.join(at(maxAudiences), o); got != further {
		t.Errorf("while one of two is there, another became %+v", got)
	}
	s.leave(at(0), others)
	s.leave(further, o)
	s.leave(further, o)
	if got := s.join(at(maxAudiences), o); got != at(maxAudiences) {
		t.Errorf("where one left, another became %+v", got)
	}
	if len(s.users) != maxAudiences {
		t.Errorf("%d Audiences are left, want %d", len(s.users), maxAudiences)
	}
}

// Nobody takes the places of others: of one address there are few.
func TestAnAddressIsInFewPlaces(t *testing.T) {
	var s audiences
	at := func(i int) Audience { return Audience{Kind: GRPC, Region: "r", Zone: fmt.Sprint(i)} }
	liar, honest := newOrigin(), newOrigin()
	for i := range 8 {
		if got := s.join(at(i), liar); got != at(i) {
			t.Fatalf("number %d became %+v", i, got)
		}
	}
	further := s.join(at(8), liar)
	if further != (Audience{Kind: GRPC}) {
		t.Errorf("one more became %+v", further)
	}
	if got := s.join(at(8), honest); got != at(8) {
		t.Errorf("another's became %+v", got)
	}
	s.leave(at(0), liar)
	s.leave(further, liar)
	if got := s.join(at(9), liar); got != at(9) {
		t.Errorf("where one left, another became %+v", got)
	}
}

func TestEachKindOfClientIsToldWhatItUnderstands(t *testing.T) {
	_, s := newQuietWorld(t)
	grpc := software("gRPC Go", "1.85.0")
	tests := map[string]struct {
		node            *corev3.Node
		listeners       []string
		routes, byNames []string // under EgressName; and under webListener and EgressName
	}{
		"Envoy":                   {proxy("127.0.0.1:15001"), []string{EgressName}, []string{EgressName}, []string{EgressName, "-" + webListener}},
		"Envoy without an egress": {proxy(""), nil, []string{EgressName}, []string{"-" + EgressName, "-" + webListener}},
		"Envoy with nonsense":     {proxy("nonsense"), nil, []string{EgressName}, []string{"-" + EgressName, "-" + webListener}},
		"gRPC":                    {grpc, []string{webListener}, []string{"-" + EgressName}, []string{webListener, "-" + EgressName}},
		"another one":             {nil, []string{webListener}, []string{"-" + EgressName}, []string{webListener, "-" + EgressName}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := dialDelta(t, s, tt.node)
			c.add(ListenerType)
			c.ack(c.want(ListenerType, tt.listeners...))
			c.add(RouteType, EgressName)
			c.ack(c.want(RouteType, tt.routes...))

			byName := dialDelta(t, s, tt.node)
			byName.add(ListenerType, webListener, EgressName)
			byName.ack(byName.want(ListenerType, tt.byNames...))

			whole := dial(t, s)
			whole.send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, Node: tt.node})
			whole.ack(whole.want(ListenerType, tt.listeners...))
		})
	}
}

func TestTheEgressIsWhereTheProxySays(t *testing.T) {
	_, s := newQuietWorld(t)
	for _, where := range []string{"127.0.0.1:15001", "[::1]:80"} {
		c := dialDelta(t, s, proxy(where))
		c.add(ListenerType)
		var l listenerv3.Listener
		if err := c.want(ListenerType, EgressName).GetResources()[0].GetResource().UnmarshalTo(&l); err != nil {
			t.Fatal(err)
		}
		at := l.GetAddress().GetSocketAddress()
		got := netip.AddrPortFrom(netip.MustParseAddr(at.GetAddress()), uint16(at.GetPortValue()))
		if got.String() != where {
			t.Errorf("the listener is at %s, want %s", got, where)
		}
	}
}

func TestWhoIsConnectedIsTold(t *testing.T) {
	w, s := newQuietWorld(t)
	envoy := proxy("127.0.0.1:15001")
	envoy.Cluster, envoy.Locality = "ingress", &corev3.Locality{Region: "r1", Zone: "z1"}
	envoy.UserAgentVersionType = &corev3.Node_UserAgentBuildVersion{UserAgentBuildVersion: &corev3.BuildVersion{
		Version: &typev3.SemanticVersion{MajorNumber: 1, MinorNumber: 40, Patch: 2},
	}}
	a := dialDelta(t, s, envoy)
	a.add(ClusterType)
	a.ack(a.want(ClusterType, webCluster))
	a.pass()

	b := dial(t, s)
	const more = 5000
	names := []string{webCluster}
	for i := range more {
		names = append(names, fmt.Sprint("a", i))
	}
	b.send(&discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: names, Node: &corev3.Node{Id: strings.Repeat("x", 2*maxWords), UserAgentName: "gRPC Go"}})
	resp := b.want(EndpointType, webCluster)

	list := s.Clients()
	if len(list) != 2 || list[0].ID != "proxy" {
		t.Fatalf("got %+v", list)
	}
	first, second := list[0], list[1]
	want := Audience{Kind: Envoy, Region: "r1", Zone: "z1", Egress: netip.MustParseAddrPort("127.0.0.1:15001")}
	if first.Group != "ingress" || first.UserAgent != "envoy 1.40.2" || !first.Delta || first.Audience != want || first.Since.IsZero() {
		t.Errorf("the first is %+v", first)
	}
	if _, err := netip.ParseAddrPort(first.Address); err != nil {
		t.Errorf("the address is %q", first.Address)
	}
	if len(first.Types) != 2 || first.Types[0].TypeURL != ClusterType || !first.Types[0].Wildcard || first.Types[0].Total != 0 ||
		first.Types[0].Acked == "" || first.Types[0].Acked != first.Types[0].Sent || first.Types[1].TypeURL != RouteType {
		t.Errorf("the first has %+v", first.Types)
	}
	if second.Delta || len(second.ID) != maxWords+len("…") || second.UserAgent != "gRPC Go" {
		t.Errorf("the second is %+v", second.ID)
	}
	if len(second.Types) != 1 {
		t.Fatalf("the second has %+v", second.Types)
	}
	d := second.Types[0]
	if d.TypeURL != EndpointType || d.Wildcard || d.Total != more+1 || d.Names != nil || !d.Unacked || d.Acked != "0" || d.Sent != resp.GetVersionInfo() {
		t.Errorf("the second has %d names, %d listed, %q acked of %q", d.Total, len(d.Names), d.Acked, d.Sent)
	}
	slices.Sort(names)
	for _, called := range []string{second.ID, second.Address} {
		if found := s.ClientsCalled(called); len(found) != 1 || len(found[0].Types) != 1 || !slices.Equal(found[0].Types[0].Names, names) {
			t.Errorf("%d clients are called %q, want the second with all its names", len(found), called)
		}
	}
	if found := s.ClientsCalled("proxy"); len(found) != 1 || found[0].Address != first.Address || found[0].Types[0].Names != nil {
		t.Errorf("called proxy is %+v", found)
	}
	w.say(t, "b", export("b", spot("z1/10.0.0.2", ready)))
	b.ack(resp, names...)
	b.want(EndpointType, webCluster)
}

// What a client subscribes to and there is not is told of it: such a client looks healthy in all else.
func TestNamesOfNothingAreTold(t *testing.T) {
	w, s := newQuietWorld(t)
	const typo = "outbound|80||wep.shop.svc.clusterset.local"
	d, whole := dialDelta(t, s, &corev3.Node{Id: "delta"}), dial(t, s)
	d.add(ClusterType)
	d.ack(d.want(ClusterType, webCluster))
	d.add(EndpointType, webCluster, typo)
	d.ack(d.want(EndpointType, webCluster, "-"+typo))
	whole.send(&discoveryv3.DiscoveryRequest{TypeUrl: ListenerType, ResourceNames: []string{webListener, "web.shop.svc.clusterset.local"}, Node: &corev3.Node{Id: "whole"}})
	whole.ack(whole.want(ListenerType, webListener), webListener, "web.shop.svc.clusterset.local")
	whole.send(&discoveryv3.DiscoveryRequest{TypeUrl: EndpointType, ResourceNames: []string{webCluster}})
	whole.ack(whole.want(EndpointType, webCluster), webCluster)
	is := func(of string, k int, want ...string) {
		t.Helper()
		found := s.ClientsCalled(of)
		if len(found) != 1 || !slices.Equal(found[0].Types[k].Absent, want) || found[0].Types[k].Missing != len(want) {
			t.Errorf("of %s got %+v, want %q", of, found, want)
		}
		i := slices.IndexFunc(s.Clients(), func(c Client) bool { return c.ID == of })
		if got := s.Clients()[i].Types[k]; got.Missing != len(want) || got.Absent != nil {
			t.Errorf("the list has %+v of %s, want %d", got, of, len(want))
		}
	}
	is("delta", 0)
	is("delta", 1, typo)
	is("whole", 0)
	is("whole", 1, "web.shop.svc.clusterset.local")

	w.say(t, "b") // web goes, and its assignment is the empty one for who asked for it
	d.ack(d.want(EndpointType, webCluster))
	is("delta", 1, webCluster, typo)
}

// Of what is held back, and before the first response, a client lacks nothing as far as is known.
func TestWhatIsNotKnownIsNotMissing(t *testing.T) {
	s := newSession(true, newNonce)
	if _, err := s.subscribe(request{kind: clusterKind, subscribe: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	clusters := &s.types[clusterKind]
	if n := clusters.missing(); n != 0 {
		t.Errorf("%d names are missing before the first response", n)
	}
	s.update(key{clusterKind, "a"}, nil)
	s.next()
	if n := clusters.missing(); n != 1 {
		t.Errorf("%d names are missing, want one", n)
	}
	s.keep(key{clusterKind, "a"})
	if n := clusters.missing(); n != 0 {
		t.Errorf("%d names are missing of what is held back", n)
	}
}

func TestWhatIsWrongWithAnEgressIsTold(t *testing.T) {
	_, s := newQuietWorld(t)
	of := func(value *structpb.Value) *corev3.Node {
		node := proxy("x")
		node.Metadata.Fields[EgressKey] = value
		return node
	}
	withEgress := proxy("localhost:1")
	withEgress.UserAgentName = "gRPC Go"
	for want, node := range map[string]*corev3.Node{
		"": proxy("127.0.0.1:15001"),
		`node.metadata hansa-egress is "localhost:15001": want IP:port`:          proxy("localhost:15001"),
		"node.metadata hansa-egress is the number 15001: want a string, IP:port": of(structpb.NewNumberValue(15001)),
		"node.metadata hansa-egress is no string: want IP:port":                  of(structpb.NewBoolValue(true)),
	} {
		node.Id = "says " + want
		c := dialDelta(t, s, node)
		c.add(RouteType, EgressName)
		c.want(RouteType, EgressName)
		if found := s.ClientsCalled(clip(node.GetId())); len(found) != 1 || found[0].EgressFault != want {
			t.Errorf("got %+v, want %q", found, want)
		}
	}
	for about, node := range map[string]*corev3.Node{"nothing": proxy(""), "null": of(structpb.NewNullValue())} {
		if got, err := egressOf(node); err != nil || got.IsValid() {
			t.Errorf("of %s: %v, %v", about, got, err)
		}
	}
	grpc := dialDelta(t, s, withEgress)
	grpc.add(ClusterType)
	grpc.want(ClusterType, webCluster)
	if found := s.ClientsCalled("proxy"); found[0].EgressFault != "" {
		t.Errorf("of gRPC, which has no such listener, got %+v", found)
	}
}

// A type that is not served is told of who waits for it in vain.
func TestTypesThatAreNotServedAreTold(t *testing.T) {
	_, s := newQuietWorld(t)
	c := dialDelta(t, s, proxy(""))
	const secrets = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	c.add(secrets, "a")
	c.add(RouteType, EgressName)
	c.want(RouteType, EgressName)
	if list := s.Clients(); !slices.Equal(list[0].Unserved, []string{secrets}) {
		t.Errorf("got %+v", list)
	}
}
