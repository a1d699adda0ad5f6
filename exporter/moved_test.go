package exporter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/hansa-mcs/hansa/federation"
)

// blind is a cache that while it is told to finds no EndpointSlices, and counts how often that is tried.
type blind struct {
	client.Client
	on    atomic.Bool
	tries atomic.Int32
}

func newBlind(t *testing.T, c client.Client) *blind {
	t.Helper()
	inner, ok := c.(client.WithWatch)
	if !ok {
		t.Fatalf("%T cannot be intercepted", c)
	}
	b := &blind{}
	b.Client = interceptor.NewClient(inner, interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		if _, ok := list.(*discoveryv1.EndpointSliceList); ok && b.on.Load() {
			b.tries.Add(1)
			return errors.New("no index")
		}
		return c.List(ctx, list, options...)
	}})
	return b
}

// mover is one who follows Nodes: it runs until ctx ends, and has q look again at Services.
type mover struct {
	run func(ctx context.Context) error
	q   again
}

// movers are all who follow Nodes of s, on the objects of c behind b.
func movers(c *cluster, b *blind, s *nodeScene) map[string]mover {
	c.nodes, c.client = s.Nodes, b
	store := federation.NewStore("own")
	x := newExporter(c.config(store), b, b, c.recorder)
	o := newOwn(OwnConfig{Cluster: "own", Say: func(federation.ServiceName, *federation.Export) {}, Nodes: s.Nodes}, b)
	return map[string]mover{"what is exported": {x.Start, x.again}, "what is this cluster's own": {o.Start, o.again}}
}

// Nodes that moved while nobody could tell what is on them are asked for again, seldom, until it can be told: none is
// forgotten, and nobody ends.
func TestNodesThatMovedAreTriedAgain(t *testing.T) {
	for _, who := range []string{"what is exported", "what is this cluster's own"} {
		synctest.Test(t, func(t *testing.T) {
			s := newNodeScene(t, nodeAt("a", "1", "r1", ""), nodeAt("b", "2", "r1", ""))
			defer s.run()()
			c := newCluster(t, webService(), ownService("other"), sliceOn("web", "a", "b"), sliceOn("other", "b"))
			b := newBlind(t, c.client)
			m := movers(c, b, s)[who]
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- m.run(ctx) }()
			synctest.Wait()

			b.on.Store(true)
			s.put(nodeAt("a", "3", "r2", ""))
			time.Sleep(30 * time.Second)
			s.put(nodeAt("b", "4", "r2", ""))
			time.Sleep(30 * time.Second)
			if n := int(b.tries.Load()); n < 5 || n > 15 || n != s.log.count("no index") {
				t.Errorf("%s: %d tries in a minute, of which %d were told", who, n, s.log.count("no index"))
			}
			b.on.Store(false)
			if got, want := taken(m.q, retryMost), []string{"other", "web"}; !slices.Equal(got, want) {
				t.Errorf("%s: looked again at %q, want %q", who, got, want)
			}
			b.on.Store(true)
			s.put(nodeAt("b", "5", "r3", ""))
			synctest.Wait()
			before := b.tries.Load()
			time.Sleep(2 * retryLeast)
			synctest.Wait()
			if n := b.tries.Load() - before; n != 1 {
				t.Errorf("%s: %d tries soon after it went well, want 1", who, n)
			}
			stop()
			synctest.Wait()
			select {
			case err := <-ended:
				if err != nil {
					t.Errorf("%s: ended with %v", who, err)
				}
			default:
				t.Fatalf("%s: it waits on though it is to stop", who)
			}
		})
	}
}

// taken returns what is to be looked at again, sorted, until nothing came for a while.
func taken(q again, quiet time.Duration) (names []string) {
	for {
		select {
		case e := <-q:
			names = append(names, e.Object.Name)
		case <-time.After(quiet):
			slices.Sort(names)
			return names
		}
	}
}

// An own Service that cannot be described once its Node moved is its queue's to try again, and then said.
func TestAnOwnServiceOnANodeThatMovedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newNodeScene(t, nodeAt("a", "1", "r1", ""))
		defer s.run()()
		c := newCluster(t, webService(), sliceOn("web", "a"))
		b := newBlind(t, c.client)
		var said []string
		o := newOwn(OwnConfig{Cluster: "own", Nodes: s.Nodes, Say: func(_ federation.ServiceName, e *federation.Export) {
			said = append(said, e.Subsets[0].Endpoints[0].Region)
		}}, b)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			if err := o.Start(ctx); err != nil {
				t.Error(err)
			}
		}()
		<-o.known
		s.put(nodeAt("a", "2", "r2", ""))
		req := ctrl.Request{NamespacedName: webKey}
		if e := <-o.again; e.Object != webName {
			t.Fatalf("looked again at %s", e.Object)
		}
		b.on.Store(true)
		if _, err := o.reconcile(t.Context(), req); err == nil {
			t.Error("no error: its queue would not try again")
		}
		b.on.Store(false)
		if _, err := o.reconcile(t.Context(), req); err != nil {
			t.Error(err)
		}
		if want := []string{"r1", "r2"}; !slices.Equal(said, want) {
			t.Errorf("said in %q, want %q", said, want)
		}
	})
}

// However many Nodes move while nobody takes what is to be looked at, each Service is taken once, and none is held twice.
func TestManyServicesOnNodesThatMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const services, nodes = 300, 20
		var objects []client.Object
		var on []string
		for n := range nodes {
			on = append(on, fmt.Sprintf("node-%d", n))
		}
		for n := range services {
			objects = append(objects, sliceOn(fmt.Sprintf("svc-%d", n), on...))
		}
		c := newCluster(t, objects...)
		m, q := newMoved(nil), make(again)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		m.add(on...)
		go func() { m.keepQueued(ctx, c.client, q); close(ended) }()
		<-q
		for range 10 {
			m.add(on...)
		}
		got := taken(q, time.Second)
		if len(got) != 2*services-1 || len(slices.Compact(got)) != services {
			t.Errorf("%d were looked at again, want %d that were under way, and all %d once more", len(got), services-1, services)
		}
		stop()
		<-ended
	})
}
