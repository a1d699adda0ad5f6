package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/integration/grpcpy"
	"github.com/hansa-mcs/hansa/integration/probe"
)

// grpcClient is an implementation of gRPC that knows xDS.
type grpcClient struct {
	name string
	// dial returns a new application with a channel, and with a stream to an agent, of its own. It ends with the
	// scene's test.
	dial func(s *xdsScene, target string) xdsUser
}

// grpcClients are those that are on this machine. A subtest is skipped for one that is not.
func grpcClients(t *testing.T) []grpcClient {
	t.Helper()
	clients := []grpcClient{{"grpc-go", dialGo}}
	t.Run("with gRPC for Python", func(t *testing.T) {
		python, err := grpcpy.Find(t.Context())
		if err != nil {
			t.Skipf("NOT TESTED with gRPC for Python, which is that of C++: %v", err)
		}
		clients = append(clients, grpcClient{"grpcio", func(s *xdsScene, target string) xdsUser { return dialPython(s, python, target) }})
	})
	return clients
}

// goUser is an application of grpc-go.
type goUser struct{ *probe.Caller }

func (u goUser) call(ctx context.Context) (string, error) { return u.Try(ctx) }

func dialGo(s *xdsScene, target string) xdsUser {
	s.t.Helper()
	caller, err := probe.NewCallerIn(probe.Place{Region: userRegion, Zone: userZone}, s.address, target)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := caller.Close(); err != nil {
			s.t.Error(err)
		}
	})
	return goUser{caller}
}

// pythonUser is an application of grpcio.
type pythonUser struct{ *grpcpy.User }

func (u pythonUser) call(ctx context.Context) (string, error) { return u.Call(ctx) }

func dialPython(s *xdsScene, python grpcpy.Python, target string) xdsUser {
	s.t.Helper()
	bootstrap, err := probe.Bootstrap(s.address, probe.Place{Region: userRegion, Zone: userZone})
	if err != nil {
		s.t.Fatal(err)
	}
	user, err := python.Start(bootstrap, target, s.t.Output())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		if err := user.Stop(); err != nil {
			s.t.Error(err)
		}
	})
	return pythonUser{user}
}

// grpcTarget is what an application dials to reach web by a host.
func grpcTarget(host string) string { return fmt.Sprintf("xds:///%s:%d", host, webGRPCPort) }

// Applications of gRPC without a proxy call a service all along, whatever becomes of its endpoints and of the agents.
func TestProxylessGRPC(t *testing.T) {
	clients := grpcClients(t)
	g := &grpcScene{setXDSScene(t, "neighbour"), clients, nil}
	t.Run("a service of another cluster is reached, and by the cluster's own name this cluster's alone", g.in((*grpcScene).reach))
	for _, c := range clients {
		g.loads = append(g.loads, loadBy(t, c.name, c.dial(g.xdsScene, grpcTarget(webHost))))
	}
	t.Run("the nearest endpoints answer, and the next when they go", g.in((*grpcScene).failOver))
	t.Run("endpoints change under load", g.in((*grpcScene).changes))
	t.Run("the owner prefers, weighs and drains clusters", g.in((*grpcScene).isSteered))
	t.Run("two clusters claim an address", g.in((*grpcScene).claims))
	t.Run("a service that is dialed before it comes, goes and comes back", g.in((*grpcScene).comeAndGo))
	t.Run("affinity keeps an application with its backend", g.in((*grpcScene).stays))
	t.Run("the agents start again in turn", g.in((*grpcScene).restartsInTurn))
	t.Run("the agents start again at once, cut off from the other cluster", g.in((*grpcScene).restartsCutOff))
	t.Run("endpoints end before anybody is told", g.in((*grpcScene).end))
	for _, l := range g.loads {
		l.end()
	}
	g.refused()
}

// grpcScene is a scene with clients, and an application of each that calls web all along.
type grpcScene struct {
	*xdsScene
	clients []grpcClient
	loads   []*xdsLoad
}

// in runs a part as a subtest, after which no call may have failed and no response been refused.
func (g *grpcScene) in(part func(*grpcScene)) func(*testing.T) {
	return g.xdsScene.in(func(s *xdsScene) {
		here := &grpcScene{s, g.clients, nil}
		for _, l := range g.loads {
			here.loads = append(here.loads, l.in(s.t))
		}
		part(here)
		for _, l := range here.loads {
			l.unfailing()
		}
		s.refused()
	})
}

// settle sets the endpoints, and waits until each application is answered by just those expected.
func (g *grpcScene) settle(endpoints, answer []string) {
	g.t.Helper()
	g.set(endpoints...)
	for _, l := range g.loads {
		l.settle(answer...)
	}
}

// arrive has a new application of each client call a host until the backend answers.
func (g *grpcScene) arrive(host, backend string) {
	g.t.Helper()
	for _, c := range g.clients {
		began := time.Now()
		user := c.dial(g.xdsScene, grpcTarget(host))
		g.until(c.name, user, "an answer of "+backend, answeredBy(backend))
		g.t.Logf("%s: a new application reached %s within %s", c.name, backend, time.Since(began).Round(time.Millisecond))
	}
}

// until calls as a user until an answer is as wanted.
func (g *grpcScene) until(name string, user xdsUser, what string, wanted func(answer string, err error) bool) {
	g.t.Helper()
	limit, cancel := context.WithTimeout(g.t.Context(), patience)
	defer cancel()
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		answer, err := user.call(limit)
		if wanted(answer, err) {
			return
		}
		select {
		case <-ticks.C:
		case <-limit.Done():
			g.t.Fatalf("%s: waiting for %s: the last answer was %q (%v)", name, what, answer, err)
		}
	}
}

// goOn waits until each application has called a while.
func (g *grpcScene) goOn() {
	g.t.Helper()
	for _, l := range g.loads {
		l.goOn(20)
	}
}

func (g *grpcScene) reach() {
	g.arrive(webHost, "neighbour")
	for _, c := range g.clients {
		user := c.dial(g.xdsScene, grpcTarget(webAtHome))
		g.set("home", "neighbour")
		g.until(c.name, user, "this cluster's backend", answeredBy("home"))
		g.set("neighbour")
		g.until(c.name, user, "nobody's answer", func(answer string, err error) bool {
			if err == nil && answer != "home" {
				g.t.Errorf("%s: by the name of this cluster's own service %s answers", c.name, answer)
			}
			return err != nil
		})
	}
}

func (g *grpcScene) failOver() {
	g.settle([]string{"near", "near-2", "home", "neighbour", "abroad"}, []string{"near", "near-2"})
	g.settle([]string{"home", "neighbour", "abroad"}, []string{"home"})
	g.settle([]string{"neighbour", "abroad"}, []string{"neighbour"})
	g.settle([]string{"abroad"}, []string{"abroad"})
	g.settle([]string{"home", "abroad"}, []string{"home"})
	g.settle([]string{"near", "home", "abroad"}, []string{"near"})
}

// changes sets endpoints at random, twenty times. Every other time it does not wait until applications have followed.
func (g *grpcScene) changes() {
	random := rand.New(rand.NewPCG(9, 0))
	all := []string{"near", "near-2", "home", "neighbour", "abroad"}
	for round := range 20 {
		var some []string
		for len(some) == 0 {
			some = slices.DeleteFunc(slices.Clone(all), func(string) bool { return random.IntN(3) > 0 })
		}
		if g.replace(some...); round%2 == 1 {
			g.settle(some, nearest(some))
		}
	}
}

func (g *grpcScene) isSteered() {
	g.replace("near", "home", "abroad")
	g.steer(g.loads)
	g.drain(g.loads)
}

// nearest are those of the backends that answer users while all are endpoints.
func nearest(backends []string) []string {
	for _, tier := range [][]string{{"near", "near-2"}, {"home"}, {"neighbour"}, {"abroad"}} {
		if some := slices.DeleteFunc(tier, func(name string) bool { return !slices.Contains(backends, name) }); len(some) > 0 {
			return some
		}
	}
	return nil
}

func (g *grpcScene) restartsInTurn() {
	one, other := "near", "near-2"
	g.settle([]string{one, "neighbour"}, []string{one})
	g.restartInTurn(func() {
		g.goOn()
		g.arrive(webHost, one)
		one, other = other, one
		g.settle([]string{one, "neighbour"}, []string{one})
	})
	g.settle([]string{"neighbour"}, []string{"neighbour"})
}

// restartsCutOff changes endpoints of this cluster while the other is cut off, too. That takes until the Lease is over
// of the leader, which was killed.
func (g *grpcScene) restartsCutOff() {
	g.settle([]string{"near", "neighbour"}, []string{"near"})
	g.restartCutOff(g.goOn, func() {
		g.goOn()
		g.arrive(webHost, "near")
		// What east said before is remembered.
		g.settle([]string{"neighbour"}, []string{"neighbour"})
		g.arrive(webHost, "neighbour")
	})
	g.settle([]string{"abroad"}, []string{"abroad"})
}
