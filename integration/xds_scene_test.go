package integration

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/balancer"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/echo"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// The hosts and ports by which the users of an xdsScene know web: webHost, too.
const (
	webAtHome   = "web.shop.svc.cluster.local"
	webHTTPPort = 80
	webGRPCPort = 9000
)

// userRegion and userZone are where the users of an xdsScene are, in the cluster west.
const (
	userRegion = "eu"
	userZone   = "eu-1"
)

// backendPlaces are the backends of web, each with its cluster, region and zone, the nearest to the users first.
var backendPlaces = map[string][3]string{
	"near":      {"west", userRegion, userZone},
	"near-2":    {"west", userRegion, userZone},
	"home":      {"west", userRegion, "eu-2"},
	"neighbour": {"east", userRegion, "eu-3"},
	"abroad":    {"east", "us", "us-1"},
}

// xdsScene is a clusterset of east and west with the service web, whose backends answer with their names. The
// users are in west, which has two agents. Nothing of it may be used by two goroutines at once, but for the loads.
type xdsScene struct {
	*story
	// address is where users reach the xDS of west's agents: front picks one, whether it is there or not.
	address string
	front   *balancer.Balancer
	// agents are those of west.
	agents []*clusterset.Member
	// backends are all that are listed in backendPlaces, endpoints or not. They live until the test ends.
	backends map[string]*echo.Server
}

// setXDSScene starts a scene in which each of the named backends is an endpoint of web, and every agent of west knows it.
func setXDSScene(t *testing.T, endpoints ...string) *xdsScene {
	t.Helper()
	s := &xdsScene{backends: startBackends(t)}
	set, err := clusterset.Start(t.Context(), clusterset.Config{Clusters: []string{"east", "west"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	s.story = &story{set, t}
	west := set.Member("west")
	twin, err := west.Twin()
	if err != nil {
		t.Fatal(err)
	}
	if err := twin.StartAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.agents = []*clusterset.Member{west, twin}
	s.front = startBalancer(t, west.XDS, twin.XDS)
	s.address = s.front.Addr().String()
	for _, cluster := range []string{"east", "west"} {
		s.create(cluster, namespace(), service("web", talksGRPC))
		s.create(cluster, s.slicesOf(cluster)...)
		s.create(cluster, exportOf("web"))
	}
	s.awaitImport("west", "web", "east", "west")
	s.set(endpoints...)
	return s
}

// in runs a part of the story of a scene as a subtest.
func (s *xdsScene) in(part func(*xdsScene)) func(*testing.T) {
	return func(t *testing.T) {
		here := *s
		here.story = &story{s.Clusterset, t}
		part(&here)
	}
}

// startBalancer starts a balancer that ends with the test.
func startBalancer(t *testing.T, backends ...string) *balancer.Balancer {
	t.Helper()
	front, err := balancer.Listen(t.Context(), 1, backends...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := front.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	return front
}

func startBackends(t *testing.T) map[string]*echo.Server {
	t.Helper()
	address, err := lab.MachineAddress()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*echo.Server{}
	for name := range backendPlaces {
		server, err := echo.Start(name, address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Stop)
		all[name] = server
	}
	return all
}

// talksGRPC gives a Service a port for gRPC beside that for HTTP.
func talksGRPC(s *corev1.Service) {
	s.Spec.Ports = append(s.Spec.Ports, corev1.ServicePort{Name: "grpc", Port: webGRPCPort, AppProtocol: new("kubernetes.io/h2c")})
}

// slicesOf are the EndpointSlices of a cluster's backends, one for each as no two have the same ports, which are empty
// yet, and the nodes on which the backends are.
func (s *xdsScene) slicesOf(cluster string) (objects []client.Object) {
	for _, name := range slices.Sorted(maps.Keys(backendPlaces)) {
		place := backendPlaces[name]
		if place[0] != cluster {
			continue
		}
		objects = append(objects, &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name:   "node-of-" + name,
			Labels: map[string]string{corev1.LabelTopologyRegion: place[1], corev1.LabelTopologyZone: place[2]},
		}})
		empty := slice("web", name)
		empty.Endpoints = []discoveryv1.Endpoint{}
		empty.Ports = []discoveryv1.EndpointPort{
			{Name: new("http"), Port: new(int32(s.backends[name].HTTP.Port()))},
			{Name: new("grpc"), Port: new(int32(s.backends[name].GRPC.Port())), AppProtocol: new("kubernetes.io/h2c")},
		}
		objects = append(objects, empty)
	}
	return objects
}

// set makes just the named backends the endpoints of web. What is added is added before anything is removed. The
// backends that are none go on answering.
func (s *xdsScene) set(names ...string) {
	s.t.Helper()
	for _, add := range []bool{true, false} {
		for name := range backendPlaces {
			if slices.Contains(names, name) == add {
				s.list(name, add)
			}
		}
	}
}

// replace is set where no request may fail: nothing is removed before each agent tells of all that is added. What is written
// first in one cluster may be known last in another.
func (s *xdsScene) replace(names ...string) {
	s.t.Helper()
	for _, name := range names {
		s.list(name, true)
	}
	for _, m := range s.agents {
		s.tells(m, names...)
	}
	s.set(names...)
}

// tells waits until an agent assigns these backends, beside others, to the HTTP port of web.
func (s *xdsScene) tells(m *clusterset.Member, names ...string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	ads, err := probe.OpenAssignment(ctx, m.XDS, webHost, webHTTPPort)
	if err != nil {
		s.t.Fatal(err)
	}
	defer ads.Close()
	for {
		told, err := ads.NextAssignment()
		if err != nil {
			s.t.Fatalf("waiting until the agent at %s tells of %v: %v", m.XDS, names, err)
		}
		if !slices.ContainsFunc(names, func(name string) bool { return !slices.Contains(told, s.backends[name].HTTP) }) {
			return
		}
	}
}

// list makes a backend the endpoint of its slice, or empties that.
func (s *xdsScene) list(name string, listed bool) {
	s.t.Helper()
	place := backendPlaces[name]
	c := s.Member(place[0]).Client
	var now discoveryv1.EndpointSlice
	if err := c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, &now); err != nil {
		s.t.Fatalf("reading the EndpointSlice of %s: %v", name, err)
	}
	if len(now.Endpoints) > 0 == listed {
		return
	}
	now.Endpoints = []discoveryv1.Endpoint{}
	if listed {
		now.Endpoints = append(now.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{s.backends[name].HTTP.Addr().String()}, NodeName: new("node-of-" + name), Zone: new(place[2]),
		})
	}
	if err := c.Update(s.t.Context(), &now); err != nil {
		s.t.Fatalf("writing the EndpointSlice of %s: %v", name, err)
	}
}

// refused checks that no client has refused anything of the agents of west since they started.
func (s *xdsScene) refused() {
	s.t.Helper()
	for _, m := range s.agents {
		text, err := m.Get(s.t.Context(), "/metrics")
		if err != nil {
			s.t.Fatal(err)
		}
		if !strings.Contains(text, "\nhansa_xds_refusals_total 0\n") {
			s.t.Errorf("the agent at %s: not hansa_xds_refusals_total 0; its log is %s", m.XDS, m.LogFile())
		}
	}
}

// restartInTurn stops one agent of west and then the other, and starts each again before the next. Between is called
// while one is gone, which the balancer learns as soon as that has ended, and while both are there again.
func (s *xdsScene) restartInTurn(between func()) {
	s.t.Helper()
	for i, m := range s.agents {
		s.refused()
		if err := m.StopAgent(); err != nil {
			s.t.Fatal(err)
		}
		s.front.SetBackends(s.agents[1-i].XDS)
		between()
		if err := m.StartAgent(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
		s.front.SetBackends(s.agents[0].XDS, s.agents[1].XDS)
		between()
	}
	s.refused()
}

// restartCutOff kills both agents of west at once and starts them again while that of east cannot be reached, but does
// not say so either. Gone is called while no agent is there, and cut when they are there again, without east.
func (s *xdsScene) restartCutOff(gone, cut func()) {
	s.t.Helper()
	s.refused()
	east := s.Member("east")
	if err := east.PauseAgent(); err != nil {
		s.t.Fatal(err)
	}
	resume := sync.OnceFunc(func() {
		if err := east.ResumeAgent(); err != nil {
			s.t.Error(err)
		}
	})
	defer resume()
	for _, m := range s.agents {
		if err := m.KillAgent(); err != nil {
			s.t.Fatal(err)
		}
	}
	gone()
	for _, m := range s.agents {
		if err := m.LaunchAgent(); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, m := range s.agents {
		if err := m.AwaitReady(s.t.Context()); err != nil {
			s.t.Fatal(err)
		}
	}
	cut()
	resume()
	s.refused()
}
