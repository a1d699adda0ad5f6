package importer

import (
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// Without discovery nothing is concluded, whoever says what; with it again all is as it would have been.
func TestNothingIsConcludedWithoutDiscovery(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.SetGates(Gates{Hosts: true, ClusterLocal: true})
		if v := w.settle(); len(content(v)) != 0 || v.Gates.Discovery {
			t.Errorf("without discovery: %s, gates %+v", sortedNames(v), v.Gates)
		}
		if v := w.say(t, "east", web("east", shopWeb, "10.0.0.1", "10.0.0.2"), web("east", inShop("new"), "10.0.0.3")); len(content(v)) != 0 {
			t.Errorf("said without discovery: %s", sortedNames(v))
		}
		w.SetGates(DefaultGates())
		v := w.settle()
		if services, endpoints := served(v); services != 2 || endpoints != 3 || !v.Gates.Discovery {
			t.Errorf("with it again: %d services, %d endpoints, gates %+v", services, endpoints, v.Gates)
		}
	})
}

// A gate that concerns doors alone makes a new View of the same Services.
func TestGatesOfDoorsTouchNoService(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		before := w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.SetGates(Gates{Discovery: true})
		after := w.settle()
		if after == before || after.Gates != (Gates{Discovery: true}) {
			t.Errorf("gates %+v, the View before: %t", after.Gates, after == before)
		}
		for c := range Diff(before, after) {
			t.Errorf("%s differs", c.Name)
		}
		w.SetGates(Gates{Discovery: true})
		if again := w.settle(); again != after {
			t.Error("the same gates made another View")
		}
	})
}

// This cluster's own Services come and go in Views whatever the gates are, and wake nobody who walks the Services.
func TestOwnServicesAreBesideTheServices(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Open()
		w.SetGates(Gates{})
		before := w.settle()
		one, other := web("own", shopWeb, "10.5.0.1"), web("own", inShop("other"), "10.5.0.2")
		w.SetOwn(shopWeb, one)
		w.SetOwn(other.Name, other)
		with := w.settle()
		if with.Own(shopWeb) != one || with.Own(other.Name) != other || with.Service(shopWeb) != nil {
			t.Errorf("own %v and %v, Service %v", with.Own(shopWeb), with.Own(other.Name), with.Service(shopWeb))
		}
		for c := range Diff(before, with) {
			t.Errorf("%s differs as a Service", c.Name)
		}
		changed := web("own", shopWeb, "10.5.0.9")
		w.SetOwn(shopWeb, changed)
		w.SetOwn(other.Name, nil)
		after := w.settle()
		names := map[federation.ServiceName]int{}
		for name := range DiffOwn(with, after) {
			names[name]++
		}
		if len(names) != 2 || names[shopWeb] != 1 || names[other.Name] != 1 || after.Own(shopWeb) != changed || after.Own(other.Name) != nil {
			t.Errorf("differing %v, own %v and %v", names, after.Own(shopWeb), after.Own(other.Name))
		}
		w.SetOwn(shopWeb, nil)
		last := w.settle()
		for name := range DiffOwn(Empty(), last) {
			t.Errorf("%s is left", name)
		}
		gone := map[federation.ServiceName]int{}
		for name := range DiffOwn(with, last) {
			gone[name]++
		}
		if len(gone) != 2 || gone[shopWeb] != 1 || gone[other.Name] != 1 {
			t.Errorf("who reads the first and the last of three Views sees %v go", gone)
		}
		if with.Own(shopWeb) != one {
			t.Error("a View of before changed")
		}
	})
}

// A name of cluster.local is this cluster's Service alone, whatever is exported, unless others are asked for.
func TestClusterLocal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Open()
		own := web("own", shopWeb, "10.5.0.1")
		own.Ports[0].Name, own.Subsets[0].Ports[0].Name = "own", "own"
		exported := web("own", shopWeb, "10.5.0.7") // as it was a moment ago
		w.store.Announce(1, []*federation.Export{exported})
		w.SetOwn(shopWeb, own)
		w.SetOwn(inShop("private"), web("own", inShop("private"), "10.5.0.2"))
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", inShop("theirs"), "10.0.0.2"))
		v := w.settle()
		for _, c := range []struct {
			name   string
			others bool
			want   string
		}{
			{"web", false, "own/10.5.0.1:8080"},
			{"web", true, "own/10.5.0.1:8080 east/10.0.0.1:8080"},
			{"private", false, "own/10.5.0.2:8080"},
			{"private", true, "own/10.5.0.2:8080"},
			{"theirs", false, "none"},
			{"theirs", true, "east/10.0.0.2:8080"},
			{"nobodys", true, "none"},
		} {
			if got := backends(v.ClusterLocal(inShop(c.name), c.others)); got != c.want {
				t.Errorf("%s, others %t: %s, want %s", c.name, c.others, got, c.want)
			}
		}
	})
}
