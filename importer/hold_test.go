package importer

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// crowd returns n services of a cluster with so many endpoints each.
func crowd(cluster federation.ClusterID, n, endpoints int) (list []*federation.Export) {
	for i := range n {
		var addresses []string
		for j := range endpoints {
			addresses = append(addresses, fmt.Sprintf("10.%d.%d.1", i, j))
		}
		list = append(list, web(cluster, federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s-%d", i)}, addresses...))
	}
	return list
}

// served counts the services and endpoints of a View.
func served(v *View) (services, endpoints int) {
	for s := range v.All() {
		n := 0
		for _, e := range s.Exports {
			n += endpointsOf(e)
		}
		if endpoints += n; n > 0 {
			services++
		}
	}
	return services, endpoints
}

// What a cluster loses of a sudden goes on being served for half a minute, unless it is little, or meant, or takes its
// time, or comes back.
func TestMassWithdrawalIsHeld(t *testing.T) {
	many := crowd("east", 20, 10)
	for _, c := range []struct {
		about      string
		before     []*federation.Export
		after      [][]*federation.Export // each pause later
		pause      time.Duration
		held       bool
		then, last int // services served just after, and in the end
	}{
		{"all endpoints", many, [][]*federation.Export{crowd("east", 20, 0)}, 0, true, 20, 0},
		{"all exports", many, [][]*federation.Export{nil}, 0, true, 20, 0},
		{"half", many, [][]*federation.Export{crowd("east", 10, 10)}, 0, false, 10, 10},
		{"more than half", many, [][]*federation.Export{crowd("east", 9, 10)}, 0, true, 20, 9},
		{"more than half of the endpoints alone", many, [][]*federation.Export{crowd("east", 20, 1)}, 0, false, 20, 20},
		{"few services", crowd("east", 9, 20), [][]*federation.Export{nil}, 0, false, 0, 0},
		{"few endpoints", crowd("east", 33, 3), [][]*federation.Export{nil}, 0, false, 0, 0},
		{"little by little, within ten seconds", many, [][]*federation.Export{crowd("east", 14, 10), crowd("east", 8, 10)}, 9 * time.Second, true, 20, 8},
		{"little by little, in more", many, [][]*federation.Export{crowd("east", 14, 10), crowd("east", 8, 10)}, 11 * time.Second, false, 8, 8},
		{"more while it is held", many, [][]*federation.Export{crowd("east", 5, 10), nil}, time.Second, true, 20, 0},
		{"as much, an hour after a little went within the same moment", many, [][]*federation.Export{crowd("east", 14, 10), crowd("east", 8, 10)}, time.Hour, false, 8, 8},
		{"back while it is held", many, [][]*federation.Export{nil, crowd("east", 20, 11)}, time.Second, false, 20, 20},
	} {
		t.Run(c.about, func(t *testing.T) {
			inWorld(t, func(t *testing.T, w *world) {
				var holding []Held
				w.config.Holding = func(list []Held) { holding = list }
				w.say(t, "east", c.before...)
				time.Sleep(time.Minute)
				for i, list := range c.after {
					if i > 0 {
						time.Sleep(c.pause)
					}
					w.store.Heard("east", time.Now())
					w.say(t, "east", list...)
				}
				if n, _ := served(w.View()); n != c.then || (len(holding) > 0) != c.held {
					t.Errorf("%d services are served, held %v", n, holding)
				}
				for range 35 {
					w.store.Heard("east", time.Now())
					time.Sleep(time.Second)
				}
				if n, _ := served(w.settle()); n != c.last || len(holding) > 0 {
					t.Errorf("in the end %d services are served, held %v", n, holding)
				}
				for _, l := range w.holds.of {
					if len(l.former) > len(c.before) {
						t.Errorf("%d former exports are kept", len(l.former))
					}
				}
			})
		})
	}
}

// What its owner means to withdraw goes at once.
func TestWhatIsMeantIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		east := federation.NewStore("east")
		east.Announce(1, crowd("east", 20, 10))
		pass := func() {
			head := w.store.Head("east")
			u, ask := east.SeenBy("own").Since("east", head, true)
			if ask {
				u = east.SeenBy("own").Against("east", w.store.Hashes("east"))
			}
			if _, err := w.store.Apply(u); err != nil {
				t.Fatal(err)
			}
			w.settle()
		}
		pass()
		east.Leave()
		pass()
		if n, _ := served(w.View()); n != 0 || len(w.holds.on) > 0 {
			t.Errorf("%d services are served, held %v", n, w.holds.list())
		}
	})
}

// follow lets the importer have what one cluster says, as a stream does; proven means that the stream has told it before.
func (w *world) follow(t *testing.T, from *federation.Store, proven bool) {
	t.Helper()
	owner := from.Self()
	u, ask := from.SeenBy("own").Since(owner, w.store.Head(owner), proven)
	if ask {
		u = from.SeenBy("own").Against(owner, w.store.Hashes(owner))
	}
	if _, err := w.store.Apply(u); err != nil {
		t.Fatal(err)
	}
	w.settle()
}

// What an owner takes from a consumer goes at once, also if the stream was down meanwhile; a hold of something else
// stays.
func TestWhatANarrowingTakesIsNotHeld(t *testing.T) {
	for _, proven := range []bool{true, false} {
		inWorld(t, func(t *testing.T, w *world) {
			east := federation.NewStore("east")
			east.Announce(1, crowd("east", 20, 10))
			w.follow(t, east, proven)
			for _, e := range crowd("east", 20, 10) {
				e.Consumers = []string{"other"}
				east.Set(e)
			}
			w.follow(t, east, proven)
			if n, _ := served(w.View()); n != 0 {
				t.Errorf("proven %t: %d services are served, held %v", proven, n, w.holds.list())
			}
		})
	}
	inWorld(t, func(t *testing.T, w *world) {
		east := federation.NewStore("east")
		east.Announce(1, crowd("east", 20, 10))
		w.follow(t, east, true)
		for _, e := range crowd("east", 18, 0) {
			east.Set(e)
		}
		w.follow(t, east, true)
		one := crowd("east", 20, 10)[19]
		one.Consumers = []string{"other"}
		east.Set(one)
		w.follow(t, east, true)
		if n, _ := served(w.View()); n < 18 || len(w.holds.on) == 0 {
			t.Errorf("%d services are served, held %v", n, w.holds.list())
		}
	})
}

// A hold hides nothing that is there, and the next collapse has its own.
func TestAHoldEndsWithWhatItWasFor(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.say(t, "east", crowd("east", 20, 10)...)
		w.pass(60, "east")
		w.say(t, "east", crowd("east", 20, 0)...)
		fresh := crowd("east", 20, 0)
		*fresh[0] = *web("east", fresh[0].Name, "10.200.0.1")
		s := w.say(t, "east", fresh...).Service(fresh[0].Name)
		if n := endpointsOf(s.Exports[0]); n != 11 {
			t.Errorf("%d endpoints are served, want the new one beside the ten", n)
		}
		if same := w.say(t, "east", fresh...).Service(fresh[0].Name); same != s {
			t.Error("what is the same is another Service")
		}
		w.say(t, "east", crowd("east", 20, 10)...)
		w.pass(24, "east")
		w.say(t, "east") // 24 s after the first
		w.pass(28, "east")
		if n, _ := served(w.settle()); n != 20 {
			t.Errorf("half a minute after a mass withdrawal is not over, and %d of 20 services are served", n)
		}
		w.pass(3, "east")
		if n, _ := served(w.settle()); n != 0 {
			t.Errorf("%d services are served after half a minute", n)
		}
	})
}

// Those that come back first take nothing from those that come back later, and who falls again is held anew.
func TestAHoldOutlastsAPartOfItsReturn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.say(t, "east", crowd("east", 20, 10)...)
		w.pass(60, "east")
		w.say(t, "east")
		for n := range 20 {
			if got, _ := served(w.say(t, "east", crowd("east", n, 10)...)); got != 20 {
				t.Fatalf("with %d of 20 services back, %d are served", n, got)
			}
		}
		w.pass(25, "east")
		w.say(t, "east", crowd("east", 2, 10)...)
		w.pass(28, "east")
		if got, _ := served(w.settle()); got != 20 {
			t.Errorf("28 s after it fell again %d of 20 services are served", got)
		}
		w.pass(3, "east")
		if got, _ := served(w.settle()); got != 2 {
			t.Errorf("%d services are served in the end, want 2", got)
		}
	})
}

// What was remembered from before a start says nothing of when it was lost.
func TestWhatWasRememberedIsNotHeld(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.Restore("east", crowd("east", 20, 10))
		w.settle()
		time.Sleep(time.Second)
		w.store.Heard("east", time.Now())
		w.say(t, "east", crowd("east", 8, 10)...)
		if n, _ := served(w.View()); n != 8 {
			t.Errorf("%d services are served, held %v", n, w.holds.list())
		}
	})
}
