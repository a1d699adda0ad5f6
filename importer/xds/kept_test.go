package xds

import (
	"fmt"
	"testing"
)

// What a client keeps because it is faulty now is in every response that ends what it leaves out, also where it was to go in
// between.
func TestWhatIsKeptBackIsNotEnded(t *testing.T) {
	c := newTalk(t, newStore())
	c.ask(clusterKind, "")
	tell := func(name, version string) {
		t.Helper()
		b, err := text{name, version}.encode(Audience{})
		if err != nil {
			t.Fatal(err)
		}
		c.session.update(key{clusterKind, name}, b)
	}
	c.want("nothing yet", c.ask(clusterKind, "1"))
	tell("x", "1")
	tell("y", "1")
	c.want("both", c.hear(), "CDS 2: x@1 y@1")
	c.ask(clusterKind, "2")
	tell("y", "2")
	c.want("another y", c.hear(), "CDS 3: x@1 y@2")
	c.session.update(key{clusterKind, "x"}, nil)
	c.session.keep(key{clusterKind, "x"})
	c.session.update(key{clusterKind, "y"}, nil)
	c.want("x is kept where another one goes", c.ask(clusterKind, "3"), "CDS 4: x@1")
	tell("z", "1")
	c.want("and where another one comes", c.ask(clusterKind, "4"), "CDS 5: x@1 z@1")
	c.ask(clusterKind, "5")
	tell("z", "2")
	c.session.keep(key{clusterKind, "z"})
	tell("y", "3")
	c.want("what came before it was kept back is not told", c.hear(), "CDS 6: x@1 y@3 z@1")
}

// A removal is not lost where the client's next request, before it is told, has a wildcard stand for the name.
func TestARemovalIsNotLostBetweenANameAndAWildcard(t *testing.T) {
	s := newStore()
	s.apply(at(clusterKind, "x", "1"))
	s.apply(at(clusterKind, "y", "1"))
	c := newTalk(t, s)
	c.want("by name", c.ask(clusterKind, "", "x", "y"), "CDS 1: x@1 y@1")
	s.apply(at(clusterKind, "x", ""))
	c.want("all", c.ask(clusterKind, "1", "*"), "CDS 2: y@1")

	s.apply(at(clusterKind, "x", "2"))
	d := newDeltaTalk(t, s)
	d.want("by name, incrementally", d.add(clusterKind, "x"), "CDS 1: x@2")
	d.ack(clusterKind, "1")
	s.apply(at(clusterKind, "x", ""))
	d.want("all", d.request(request{kind: clusterKind, subscribe: []string{"*"}, unsubscribe: []string{"x"}}), "CDS 2: y@1")
	d.want("and its end", d.ack(clusterKind, "2"), "CDS 3: no x")
}

// A cluster that a client does not want any more holds up no routes.
func TestADroppedClusterHoldsUpNothing(t *testing.T) {
	s := newStore()
	s.apply(at(clusterKind, "x", "1"))
	s.apply(at(routeKind, EgressName, "1"))
	c := newTalk(t, s)
	c.want("a cluster", c.ask(clusterKind, "", "x"), "CDS 1: x@1")
	c.want("routes wait for its assignment", c.ask(routeKind, "", EgressName))
	c.want("it is dropped", c.ask(clusterKind, "1", "other"), "RDS 2: hansa-egress@1")
	if n := len(c.session.warming); n > 0 {
		t.Errorf("%d clusters are waited for", n)
	}
}

// A client that has the world's names to be told of may ask for as many as there may be beside them.
func TestWhatAWildcardCoversIsNotCountedAsAskedFor(t *testing.T) {
	s := newStore()
	world := map[key]*resource{}
	for i := range maxNames {
		world[key{clusterKind, fmt.Sprint(i)}] = newResource(text{fmt.Sprint(i), "1"})
		world[key{listenerKind, fmt.Sprint(i)}] = newResource(text{fmt.Sprint(i), "1"})
	}
	s.apply(world)
	box := newMailbox(func() {})
	for _, in := range []interest{{kind: clusterKind, startAll: true}, {kind: listenerKind, startAll: true}, wanting("x", "y")} {
		if _, err := s.subscribe(box, in); err != nil {
			t.Fatal(err)
		}
	}
}
