package xds

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
)

// crowd is the endpoints of a cluster in one zone.
func crowd(cluster string, priority uint32, n int) group {
	places := make([]place, n)
	for i := range places {
		places[i] = place{address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 8080), tier: firstChoice}
	}
	f := newFragment(places)
	return group{fragment: &f, cluster: cluster, priority: priority, load: f.count}
}

func TestAnAssignmentIsNoLargerThanClientsTake(t *testing.T) {
	tests := map[string]struct {
		groups []group
		want   string // cluster, priority and how many endpoints
	}{
		"all fit":                      {[]group{crowd("a", 0, 50_000), crowd("b", 1, 50_000)}, "a/0:50000 b/1:50000"},
		"one has too many":             {[]group{crowd("a", 0, 200_000)}, "a/0:120510"},
		"the farthest is left out":     {[]group{crowd("a", 0, 100_000), crowd("b", 1, 4_000), crowd("c", 2, 50_000), crowd("d", 3, 1)}, "a/0:100000 b/1:4000 c/2:17512"},
		"the largest is, not the rest": {[]group{crowd("a", 0, 150_000), crowd("b", 0, 10), crowd("c", 0, 1_000)}, "a/0:119572 b/0:10 c/0:1000"},
		"priorities leave no gap":      {[]group{crowd("a", 0, 200_000), crowd("b", 1, 7), crowd("c", 2, 7)}, "a/0:120510"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all := 0
			for _, g := range tt.groups {
				all += int(g.count)
			}
			fit, left := trim(tt.groups)
			var got []string
			told := 0
			for _, g := range fit {
				got = append(got, fmt.Sprintf("%s/%d:%d", g.cluster, g.priority, g.count))
				told += int(g.count)
			}
			if got := strings.Join(got, " "); got != tt.want || told+left != all {
				t.Errorf("told %s, left out %d of %d; want %s", got, left, all, tt.want)
			}
			b := assemble("web", fit)
			var read endpointv3.ClusterLoadAssignment
			if err := proto.Unmarshal(b.value(), &read); err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, l := range read.GetEndpoints() {
				n += len(l.GetLbEndpoints())
				if int(l.GetLoadBalancingWeight().GetValue()) != len(l.GetLbEndpoints()) {
					t.Errorf("%v has the weight %v", l.GetLocality(), l.GetLoadBalancingWeight())
				}
			}
			if n != told || b.size > maxAssignment+1<<10 {
				t.Errorf("%d endpoints are written, in %d bytes", n, b.size)
			}
		})
	}
}

// A service of more endpoints than a gRPC client takes at once is told without some, and that is reported.
func TestAServiceThatIsTooLargeIsToldInPart(t *testing.T) {
	w := newWorld(t)
	many := make([]federation.Endpoint, 0, 130_000)
	for i := range cap(many) {
		many = append(many, spot(fmt.Sprintf("z1/10.%d.%d.%d", i>>16, i>>8&0xff, i&0xff), ready))
	}
	w.say(t, "b", export("b", many...))
	w.open(t)
	s, _ := w.newServer(t, func(*Server) {})
	c := dialDelta(t, s, nil) // with gRPC's own limit of messages
	c.add(EndpointType, webCluster)
	told := c.want(EndpointType, webCluster)
	c.ack(told)
	var read endpointv3.ClusterLoadAssignment
	if err := told.GetResources()[0].GetResource().UnmarshalTo(&read); err != nil {
		t.Fatal(err)
	}
	n := len(read.GetEndpoints()[0].GetLbEndpoints())
	why := s.Quarantined()["ClusterLoadAssignment "+webCluster]
	if want := fmt.Sprintf("%d of its 130000 endpoints are not told", 130_000-n); n < 90_000 || !strings.HasPrefix(why, want) {
		t.Errorf("%d endpoints are told; reported is %q, want %q", n, why, want)
	}
	if s.Refusals() != 0 || context.Cause(c.Context()) != nil {
		t.Errorf("%d refusals, %v", s.Refusals(), context.Cause(c.Context()))
	}
}
