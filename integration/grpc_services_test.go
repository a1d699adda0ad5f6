package integration

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// grpcSlice is a slice of a service with a backend of web, which has no node.
func (s *xdsScene) grpcSlice(service, name, backend string) *discoveryv1.EndpointSlice {
	listed := slice(service, name, s.backends[backend].GRPC.Addr().String())
	listed.Ports = []discoveryv1.EndpointPort{{Name: new("grpc"), Port: new(int32(s.backends[backend].GRPC.Port()))}}
	return listed
}

// comeAndGo dials a service before there is one. It is exported by the other cluster, then not any more, then again.
func (g *grpcScene) comeAndGo() {
	const host = "late.shop.svc.clusterset.local"
	users := map[string]xdsUser{}
	for _, c := range g.clients {
		users[c.name] = c.dial(g.xdsScene, grpcTarget(host))
		if answer, err := g.ask(users[c.name]); err == nil {
			g.t.Errorf("%s: %s answers before there is a service", c.name, answer)
		}
	}
	g.create("east", service("late", talksGRPC), g.grpcSlice("late", "late", "abroad"))
	for range 2 {
		g.create("east", exportOf("late"))
		for name, user := range users {
			g.until(name, user, "the service", answeredBy("abroad"))
		}
		g.arrive(host, "abroad")
		g.delete("east", exportOf("late"))
		for name, user := range users {
			g.until(name, user, "an error without the service", failed)
		}
	}
}

// ask calls, and does not wait as long as applications do for a service that an agent does not know.
func (g *grpcScene) ask(user xdsUser) (string, error) {
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Second)
	defer cancel()
	return user.call(ctx)
}

func failed(_ string, err error) bool { return err != nil }

func answeredBy(backend string) func(string, error) bool {
	return func(answer string, err error) bool { return err == nil && answer == backend }
}

// claims has a cluster claim an address of the other, which clients would refuse to hear of twice: it is believed, being
// the users' own, so the backend is near.
func (g *grpcScene) claims() {
	g.settle([]string{"neighbour", "abroad"}, []string{"neighbour"})
	claim := g.grpcSlice("web", "claim", "abroad")
	g.create("west", claim)
	g.settle([]string{"neighbour", "abroad"}, []string{"abroad"})
	g.delete("west", claim)
	g.settle([]string{"neighbour", "abroad"}, []string{"neighbour"})
}

// stays asks for affinity: an application stays with one of several backends, and comes back to it. Without affinity
// both answer.
func (g *grpcScene) stays() {
	g.settle([]string{"near", "near-2"}, []string{"near", "near-2"})
	g.affinity(corev1.ServiceAffinityClientIP)
	for _, l := range g.loads {
		one := l.settleOnOne("near", "near-2")
		other := map[string]string{"near": "near-2", "near-2": "near"}[one]
		g.set(other)
		l.settle(other)
		g.set(one, other)
		l.settle(one)
	}
	g.affinity(corev1.ServiceAffinityNone)
	g.settle([]string{"near", "near-2"}, []string{"near", "near-2"})
}

// end has the nearest backends end while the API still lists them: applications find that out by themselves.
func (g *grpcScene) end() {
	g.settle([]string{"near", "near-2", "neighbour"}, []string{"near", "near-2"})
	for _, name := range []string{"near", "near-2"} {
		g.backends[name].Drain()
	}
	for _, l := range g.loads {
		l.settle("neighbour")
	}
	g.arrive(webHost, "neighbour")
}

// affinity sets that of web in both clusters.
func (g *grpcScene) affinity(to corev1.ServiceAffinity) {
	g.t.Helper()
	for _, m := range g.Members() {
		var web corev1.Service
		if err := m.Client.Get(g.t.Context(), client.ObjectKey{Namespace: "shop", Name: "web"}, &web); err != nil {
			g.t.Fatal(err)
		}
		web.Spec.SessionAffinity = to
		if err := m.Client.Update(g.t.Context(), &web); err != nil {
			g.t.Fatalf("%s: asking for affinity: %v", m.Name, err)
		}
	}
}
