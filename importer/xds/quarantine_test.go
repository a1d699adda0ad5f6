package xds

import (
	"maps"
	"slices"
	"strings"
	"testing"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

func (s *Server) spoil(k kind, name string, step int) {
	s.store.apply(map[key]*resource{{k, name}: newResource(bad{name, step})})
}

func quarantined(t *testing.T, s *Server, names ...string) {
	t.Helper()
	all := s.Quarantined()
	if got := slices.Sorted(maps.Keys(all)); !slices.Equal(got, names) {
		t.Errorf("%q are in quarantine, want %q", got, names)
	}
	for name, why := range all {
		if !strings.Contains(why, "clients would refuse it") {
			t.Errorf("%s: %s", name, why)
		}
	}
}

// What clients would refuse they are not told: they keep what they had, and the others are told what is new beside it.
func TestWhatClientsWouldRefuseStaysInQuarantine(t *testing.T) {
	_, s := newQuietWorld(t)
	s.store.apply(at(clusterKind, "x", "1"))
	s.store.apply(at(assignmentKind, "x", "1"))
	c := dialDelta(t, s, nil)
	c.add(ClusterType)
	c.ack(c.want(ClusterType, webCluster, "x"))
	c.add(EndpointType, "x")
	c.ack(c.want(EndpointType, "x"))

	s.spoil(clusterKind, "x", 1)
	c.pass()
	s.spoil(clusterKind, "x", 2)
	s.store.apply(at(clusterKind, "y", "1"))
	c.ack(c.want(ClusterType, "y"))
	quarantined(t, s, "Cluster x")
	s.store.apply(at(assignmentKind, "x", "2"))
	c.ack(c.want(EndpointType, "x"))

	late := dialDelta(t, s, nil)
	late.add(ClusterType)
	late.ack(late.want(ClusterType, webCluster, "y"))

	s.store.apply(at(clusterKind, "x", "2"))
	c.ack(c.want(ClusterType, "x"))
	c.ack(c.want(EndpointType, "x"))
	late.ack(late.want(ClusterType, "x"))
	quarantined(t, s)
}

func TestQuarantineEndsWithTheResource(t *testing.T) {
	_, s := newQuietWorld(t)
	c := dialDelta(t, s, nil)
	s.store.apply(at(clusterKind, "x", "1"))
	c.add(ClusterType)
	c.ack(c.want(ClusterType, webCluster, "x"))
	s.spoil(clusterKind, "x", 1)
	c.pass()
	quarantined(t, s, "Cluster x")
	s.store.apply(at(clusterKind, "x", ""))
	c.ack(c.want(ClusterType, "-x"))
	quarantined(t, s)
}

// Of the state of the world a response says all, so what is in quarantine is in it as it was.
func TestTheWholeStateKeepsWhatIsInQuarantine(t *testing.T) {
	_, s := newQuietWorld(t)
	s.store.apply(at(clusterKind, "x", "1"))
	c := newTold(t, s)
	c.want("x@1")
	s.spoil(clusterKind, "x", 1)
	s.store.apply(at(clusterKind, "y", "1"))
	c.want("x@1", "y@1")
	s.store.apply(at(clusterKind, "y", ""))
	c.want("x@1")
	quarantined(t, s, "Cluster x")
}

// toldAll is a client of all clusters, of the state of the world.
type toldAll struct{ *client }

func newTold(t *testing.T, s *Server) toldAll {
	t.Helper()
	c := toldAll{dial(t, s)}
	c.send(&discoveryv3.DiscoveryRequest{TypeUrl: ClusterType})
	return c
}

// want receives the next response, which must hold these beside the cluster of web.
func (c toldAll) want(texts ...string) {
	c.t.Helper()
	resp, err := c.Recv()
	if err != nil {
		c.t.Fatal(err)
	}
	var got []string
	for _, r := range resp.GetResources() {
		if text := string(r.GetValue()); strings.Contains(text, "@") {
			got = append(got, text)
		}
	}
	if !slices.Equal(got, texts) || len(resp.GetResources()) != 1+len(texts) {
		c.t.Fatalf("got %q of %d, want %q", got, len(resp.GetResources()), texts)
	}
	c.ack(resp)
}

// A virtual host that Envoy would refuse is left out, and all others are told.
func TestOneBadVirtualHostDoesNotTakeTheOthersAlong(t *testing.T) {
	_, s := newQuietWorld(t)
	c := dialDelta(t, s, proxy(""))
	c.add(RouteType, EgressName)
	first := c.want(RouteType, EgressName)
	c.ack(first)

	good, wrong := hosting(1, 80), hosting(2, 80)
	wrong.cluster = ""
	tell := func(hosts ...virtualHost) (told []string) {
		t.Helper()
		all := map[string]virtualHost{}
		for _, h := range hosts {
			all[h.name] = h
		}
		r, _ := routes{}.with(all)
		s.store.apply(map[key]*resource{{routeKind, EgressName}: newResource(r)})
		resp := c.want(RouteType, EgressName)
		c.ack(resp)
		var config routev3.RouteConfiguration
		if err := resp.GetResources()[0].GetResource().UnmarshalTo(&config); err != nil {
			t.Fatal(err)
		}
		for _, h := range config.GetVirtualHosts() {
			told = append(told, h.GetName())
		}
		return told
	}
	if got := tell(good, wrong); !slices.Equal(got, []string{good.name}) {
		t.Errorf("told %q, want the good one", got)
	}
	if why := s.Quarantined()["RouteConfiguration "+EgressName]; !strings.Contains(why, wrong.name) {
		t.Errorf("what is wrong: %q, want %q in it", why, wrong.name)
	}
	dumped, err := s.Dump(Audience{Kind: Envoy}, RouteType, EgressName)
	if err != nil || len(dumped.Message.(*routev3.RouteConfiguration).GetVirtualHosts()) != 1 {
		t.Errorf("dumped %v (%v)", dumped, err)
	}
	wrong.cluster = good.cluster
	if got := tell(good, wrong); !slices.Equal(got, []string{good.name, wrong.name}) {
		t.Errorf("told %q, want both", got)
	}
	quarantined(t, s)
}

// A client says what it has from another stream. What it has of a resource that is not told now it keeps.
func TestWhoComesBackKeepsWhatIsNotTold(t *testing.T) {
	s := newSession(true, counting())
	has := map[string]string{"web": "1", "gone": "1"}
	if _, err := s.subscribe(request{kind: assignmentKind, has: has, subscribe: []string{"web", "gone"}}); err != nil {
		t.Fatal(err)
	}
	s.update(key{assignmentKind, "gone"}, nil)
	s.keep(key{assignmentKind, "web"})
	if r := s.next(); len(r.bodies)+len(r.removed) != 0 {
		t.Errorf("the first answer has %v and ends %v", r.bodies, r.removed)
	}
	s.acknowledge(request{kind: assignmentKind, nonce: "1"})
	if r := s.next(); len(r.bodies) != 0 || len(r.removed) != 1 || r.removed[0] != "gone" {
		t.Errorf("then %v are told and %v end, want that one is gone", r.bodies, r.removed)
	}
}
