package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/hansa-mcs/hansa/integration/envoy"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// A real Envoy of west, and a second one that speaks the older variant of the protocol, reach the backends of both clusters
// whatever becomes of endpoints and agents, and refuse nothing.
func TestEnvoy(t *testing.T) {
	binary, err := envoy.Find()
	if err != nil {
		t.Skipf("NOT TESTED with a real Envoy: %v", err)
	}
	s := setXDSScene(t, "abroad")
	proxies := startEnvoys(t, binary, s.address)
	part := func(name string, tell func(*xdsScene, []*proxy)) {
		t.Run(name, s.in(func(s *xdsScene) {
			tell(s, proxies)
			s.acceptedAll(proxies)
		}))
	}
	part("a backend of another cluster is reached by Host, and cluster.local stays local", reachedByHost)
	part("when the near endpoints go, the next nearest are used, and they come back", failOver)
	part("endpoints come and go, and no request fails", followChanges)
	part("the owner prefers, weighs and drains clusters, and no request fails", steerEnvoys)
	part("a cluster that changes keeps its endpoints", changeCluster)
	part("what is exported later is reached from its first route on", exportLater)
	part("services of every kind are taken", takeEveryKind)
	part("both agents start again, in turn", restartAgents)
	part("both agents start again at once, while the other cluster is cut off", restartAgentsCutOff)
	part("endpoints that are gone before anybody knows are left for others", endpointsDie)
}

// answered checks who answers a user, or with what the request fails.
func (s *xdsScene) answered(what string, user xdsUser, want string) {
	s.t.Helper()
	got, err := user.call(s.t.Context())
	if err != nil {
		got = err.Error()
	}
	if !strings.Contains(got, want) {
		s.t.Errorf("%s: %q answers, want %q", what, got, want)
	}
}

func reachedByHost(s *xdsScene, proxies []*proxy) {
	far, home := probe.ClusterName(webHost, webHTTPPort), probe.ClusterName(webAtHome, webHTTPPort)
	for _, p := range proxies {
		p.has(s, far, "abroad 0")
		for _, host := range []string{webHost, fmt.Sprintf("%s:%d", webHost, webHTTPPort)} {
			s.answered(p.name+": "+host, newWebUser(s.t, p.egress, host), "abroad")
		}
		s.answered(p.name+": gRPC", newRPCUser(s.t, p.egress, fmt.Sprintf("%s:%d", webHost, webGRPCPort)), "abroad")
		s.answered(p.name+": bytes", newWebUser(s.t, p.bytes, "anything"), "abroad")
		s.answered(p.name+": "+webAtHome, newWebUser(s.t, p.egress, webAtHome), "503")
		s.answered(p.name+": a host that is none", newWebUser(s.t, p.egress, "none.shop.svc.clusterset.local"), "404")
	}
	s.set("home", "abroad")
	for _, p := range proxies {
		p.has(s, home, "home 0")
		p.has(s, far, "home 0", "abroad 1")
		for _, host := range []string{webAtHome, fmt.Sprintf("%s:%d", webAtHome, webHTTPPort)} {
			s.answered(p.name+": "+host, newWebUser(s.t, p.egress, host), "home")
		}
		s.answered(p.name+": gRPC", newRPCUser(s.t, p.egress, fmt.Sprintf("%s:%d", webAtHome, webGRPCPort)), "home")
	}
}

// loads begins to use web by each Envoy. No request may fail until the end, which the caller has to call.
func (s *xdsScene) loads(proxies []*proxy) (all []*xdsLoad, end func()) {
	for _, p := range proxies {
		all = append(all, loadBy(s.t, p.name, newWebUser(s.t, p.egress, webHost)))
	}
	return all, func() {
		s.t.Helper()
		for _, l := range all {
			l.end()
		}
	}
}

func failOver(s *xdsScene, proxies []*proxy) {
	s.set("near", "home", "neighbour", "abroad")
	cluster := probe.ClusterName(webHost, webHTTPPort)
	loads, end := s.loads(proxies)
	defer end()
	for _, step := range []struct {
		endpoints []string // those that there are, of which the first is used
		print     string
	}{
		{[]string{"near", "home", "neighbour", "abroad"}, "before the failover"},
		{[]string{"home", "neighbour", "abroad"}, ""},
		{[]string{"neighbour", "abroad"}, "after the endpoints of its own cluster went"},
		{[]string{"abroad"}, ""},
		{[]string{"near", "home", "neighbour", "abroad"}, "when they are back"},
	} {
		s.set(step.endpoints...)
		var want []string
		for priority, name := range step.endpoints {
			want = append(want, fmt.Sprintf("%s %d", name, priority))
		}
		for i, p := range proxies {
			p.has(s, cluster, want...)
			loads[i].settle(step.endpoints[0])
			if step.print != "" {
				p.prints(s, step.print)
			}
		}
	}
}

func steerEnvoys(s *xdsScene, proxies []*proxy) {
	s.replace("near", "home", "abroad")
	loads, end := s.loads(proxies)
	defer end()
	s.steer(loads)
	s.drain(loads)
}

func followChanges(s *xdsScene, proxies []*proxy) {
	s.set("near", "near-2", "abroad")
	loads, end := s.loads(proxies)
	defer end()
	for range 5 {
		for _, endpoints := range [][]string{{"near-2", "abroad"}, {"abroad"}, {"home", "abroad"}, {"near", "near-2", "abroad"}, {"near"}} {
			s.set(endpoints...)
			for _, l := range loads {
				l.goOn(10)
			}
		}
	}
	s.set("near", "near-2")
	for _, step := range []struct {
		ends    string
		answers []string
	}{{"", []string{"near", "near-2"}}, {"near-2", []string{"near"}}, {"near", []string{"near", "near-2"}}} {
		if step.ends != "" {
			s.terminate(step.ends)
		}
		for _, l := range loads {
			l.settle(step.answers...)
		}
	}
	s.replace("abroad")
	for _, l := range loads {
		l.settle("abroad")
		if n := len(l.failures()); n > 2 {
			s.t.Errorf("%s: %d requests failed, want those that were on their way at most", l.name, n)
		}
	}
}

// terminate says of a backend that its pod ends, and still serves: it is used while there is no other one.
func (s *xdsScene) terminate(name string) {
	s.t.Helper()
	c := s.Member(backendPlaces[name][0]).Client
	var now discoveryv1.EndpointSlice
	if err := c.Get(s.t.Context(), client.ObjectKey{Namespace: "shop", Name: name}, &now); err != nil {
		s.t.Fatalf("reading the EndpointSlice of %s: %v", name, err)
	}
	now.Endpoints[0].Conditions = discoveryv1.EndpointConditions{Ready: new(false), Serving: new(true), Terminating: new(true)}
	if err := c.Update(s.t.Context(), &now); err != nil {
		s.t.Fatalf("writing the EndpointSlice of %s: %v", name, err)
	}
}

// changeCluster has Envoy warm the cluster of web anew, for which it wants the endpoints again.
func changeCluster(s *xdsScene, proxies []*proxy) {
	s.set("near", "neighbour")
	cluster := probe.ClusterName(webHost, webHTTPPort)
	loads, end := s.loads(proxies)
	defer end()
	for _, step := range []struct {
		affinity corev1.ServiceAffinity
		policy   string // of Envoy
		add      string // an endpoint that comes after that
	}{{corev1.ServiceAffinityClientIP, "RING_HASH", "abroad"}, {corev1.ServiceAffinityNone, "ROUND_ROBIN", "home"}} {
		s.stick(step.affinity)
		for i, p := range proxies {
			p.balances(s, cluster, step.policy)
			loads[i].settle("near")
		}
		s.set("near", "neighbour", step.add)
		for i, p := range proxies {
			want := map[string][]string{
				"abroad": {"near 0", "neighbour 1", "abroad 2"}, "home": {"near 0", "home 1", "neighbour 2"},
			}[step.add]
			p.has(s, cluster, want...)
			loads[i].settle("near")
		}
	}
}

// stick sets the session affinity of web in every cluster.
func (s *xdsScene) stick(affinity corev1.ServiceAffinity) {
	s.t.Helper()
	for _, m := range s.Members() {
		patch := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"sessionAffinity":%q}}`, affinity))
		if err := m.Client.Patch(s.t.Context(), service("web"), patch); err != nil {
			s.t.Fatalf("%s: %v", m.Name, err)
		}
	}
}

// exportLater exports a service and withdraws it, again and again, while it is asked for all along: either it answers, or it is
// not known.
func exportLater(s *xdsScene, proxies []*proxy) {
	const unknown = "404 Not Found: "
	host := "late.shop.svc.clusterset.local"
	late := slice("late", "late", s.backends["abroad"].HTTP.Addr().String())
	late.Ports[0].Port = new(int32(s.backends["abroad"].HTTP.Port()))
	s.create("east", service("late"), late)
	users := map[string]xdsUser{}
	for _, p := range proxies {
		users[p.name] = newWebUser(s.t, p.egress, host)
		s.answered(p.name+": before the export", users[p.name], unknown)
	}
	for range 5 {
		s.create("east", exportOf("late"))
		s.turns(users, unknown, "abroad")
		s.delete("east", exportOf("late"))
		s.turns(users, "abroad", unknown)
		for _, p := range proxies {
			p.lacks(s, probe.ClusterName(host, webHTTPPort))
		}
	}
}

// turns has all users ask until what they get is as after a change, and accepts nothing until then but what was before.
func (s *xdsScene) turns(users map[string]xdsUser, before, after string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	var asking sync.WaitGroup
	for name, user := range users {
		asking.Go(func() {
			for got := before; got != after; {
				if got != before {
					s.t.Errorf("%s: got %q between %q and %q", name, got, before, after)
					return
				}
				var err error
				if got, err = user.call(ctx); err != nil {
					got = err.Error()
				}
			}
		})
	}
	asking.Wait()
}

func restartAgents(s *xdsScene, proxies []*proxy) {
	s.set("neighbour")
	cluster := probe.ClusterName(webHost, webHTTPPort)
	loads, end := s.loads(proxies)
	defer end()
	also := false
	s.restartInTurn(func() {
		endpoints, want := []string{"neighbour"}, []string{"neighbour 0"}
		if also = !also; also { // it follows changes all the while.
			endpoints, want = append(endpoints, "abroad"), append(want, "abroad 1")
		}
		s.set(endpoints...)
		for i, p := range proxies {
			p.has(s, cluster, want...)
			loads[i].settle("neighbour")
		}
	})
}

func restartAgentsCutOff(s *xdsScene, proxies []*proxy) {
	s.set("neighbour", "abroad")
	cluster := probe.ClusterName(webHost, webHTTPPort)
	loads, end := s.loads(proxies)
	defer end()
	kept := func() {
		for i, p := range proxies {
			p.has(s, cluster, "neighbour 0", "abroad 1")
			loads[i].settle("neighbour")
		}
	}
	kept()
	s.restartCutOff(kept, func() {
		// What is new in its own cluster comes by the agents that started again, and what they remember of the other stays.
		s.set("near", "neighbour", "abroad")
		for i, p := range proxies {
			p.has(s, cluster, "near 0", "neighbour 1", "abroad 2")
			loads[i].settle("near")
		}
		s.set("neighbour", "abroad")
		kept()
	})
}

// endpointsDie ends the near backends, of which the API still says that they are ready. A request that is on a connection
// when its backend ends may fail: whether it was served nobody knows, so it is not sent again.
func endpointsDie(s *xdsScene, proxies []*proxy) {
	s.set("near", "near-2", "abroad")
	loads, _ := s.loads(proxies)
	for _, l := range loads {
		l.settle("near", "near-2")
	}
	s.backends["near"].Stop()
	s.backends["near-2"].Stop()
	for _, l := range loads {
		l.settle("abroad")
	}
}
