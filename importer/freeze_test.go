package importer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// backends lists what serves the first port of a Service, in the order of its Exports.
func backends(s *Service) string {
	if s == nil {
		return "none"
	}
	var list []string
	for b := range s.Backends(s.Ports[0]) {
		mark := ""
		if b.Demoted {
			mark = "!"
		}
		list = append(list, fmt.Sprintf("%s%s/%s:%d", mark, b.Cluster, b.Endpoint.Address, b.Port))
	}
	return strings.Join(list, " ")
}

// Under a freeze what others say, and whether they are heard, changes nothing; what is our own is followed. Afterwards
// all is as if there had been none.
func TestAFreezeKeepsWhatIsImported(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		w.Open()
		w.store.Set(web("own", shopWeb, "10.5.0.1"))
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", inShop("api"), "10.0.0.2"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		w.hear("east", "west")
		w.pass(40, "east") // west is demoted
		w.Freeze(true)
		expect := func(when string, v *View, web, api string) {
			t.Helper()
			if got := backends(v.Service(shopWeb)); got != web {
				t.Errorf("%s: web is %s, want %s", when, got, web)
			}
			if got := backends(v.Service(inShop("api"))); got != api {
				t.Errorf("%s: api is %s, want %s", when, got, api)
			}
		}
		const kept = "east/10.0.0.1:8080 own/10.5.0.1:8080 !west/10.1.0.1:8080"
		expect("frozen", w.settle(), kept, "east/10.0.0.2:8080")
		v := w.say(t, "east", web("east", shopWeb, "10.0.9.9"), web("east", inShop("new"), "10.0.0.3"))
		expect("east says something else", v, kept, "east/10.0.0.2:8080")
		if v.Service(inShop("new")) != nil {
			t.Error("what is new is imported")
		}
		expect("all are silent for long", w.pass(3600), kept, "east/10.0.0.2:8080")
		expect("west is back", w.hear("west"), kept, "east/10.0.0.2:8080")
		w.store.Set(web("own", shopWeb, "10.5.0.2"))
		expect("our own changes", w.settle(), "east/10.0.0.1:8080 own/10.5.0.2:8080 !west/10.1.0.1:8080", "east/10.0.0.2:8080")
		w.SetNamespace("shop", false)
		expect("the namespace goes", w.settle(), "none", "none")
		w.SetNamespace("shop", true)
		expect("and is back", w.settle(), "east/10.0.0.1:8080 own/10.5.0.2:8080 !west/10.1.0.1:8080", "east/10.0.0.2:8080")
		w.hear("east", "west")
		w.Freeze(false)
		v = w.settle()
		w.pass(61, "east", "west") // who came and went is demoted for a while
		expect("released", w.hear("east", "west"), "east/10.0.9.9:8080 own/10.5.0.2:8080 west/10.1.0.1:8080", "none")
		if v.Service(inShop("new")) == nil {
			t.Error("what is new is not imported once it may be")
		}
	})
}

// A freeze that goes on after a restart keeps what was remembered, whatever came before it was known.
func TestAFreezeOutlivesARestart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Freeze(true)
		w.say(t, "east", web("east", shopWeb, "10.0.9.9"), web("east", inShop("new"), "10.0.0.3"))
		w.store.Announce(1, []*federation.Export{web("own", shopWeb, "10.5.0.1")})
		w.Remember([]Remembered{{Export: web("east", shopWeb, "10.0.0.1")}, {Export: web("own", shopWeb, "10.5.0.1")}})
		w.Remember([]Remembered{{web("west", shopWeb, "10.1.0.1"), federation.Demoted}})
		w.Open()
		<-w.Ready()
		v := w.settle()
		if got := backends(v.Service(shopWeb)); got != "east/10.0.0.1:8080 own/10.5.0.1:8080 !west/10.1.0.1:8080" || !v.Frozen {
			t.Errorf("web is %s, frozen %t", got, v.Frozen)
		}
		w.store.Withdraw(shopWeb)
		if got := backends(w.settle().Service(shopWeb)); got != "east/10.0.0.1:8080 !west/10.1.0.1:8080" {
			t.Errorf("our own withdrawn, web is %s", got)
		}
		if v.Service(inShop("new")) != nil {
			t.Error("what is new is imported")
		}
		w.Freeze(false)
		if v := w.settle(); backends(v.Service(shopWeb)) != "east/10.0.9.9:8080" || v.Frozen {
			t.Errorf("released, web is %s, frozen %t", backends(v.Service(shopWeb)), v.Frozen)
		}
	})
}

// What came to be lost during a freeze, long before it ends, is no mass withdrawal when it does.
func TestTheEndOfAFreezeIsNoMassWithdrawal(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var holding []Held
		w.config.Holding = func(list []Held) { holding = list }
		w.Open()
		w.say(t, "east", crowd("east", 20, 10)...)
		w.Freeze(true)
		w.settle()
		time.Sleep(time.Minute)
		w.say(t, "east")
		time.Sleep(time.Minute)
		if services, _ := served(w.settle()); services != 20 {
			t.Fatalf("%d services are kept, want 20", services)
		}
		w.Freeze(false)
		if services, _ := served(w.settle()); services != 0 || len(holding) != 0 {
			t.Errorf("%d services after the end, %v held", services, holding)
		}
	})
}

// What is kept is served again after MCSServiceDiscovery was off for a while, however much was said meanwhile.
func TestAFreezeOutlivesTheGate(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.Open()
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.Freeze(true)
		w.settle()
		w.SetGates(Gates{Hosts: true, ClusterLocal: true})
		w.settle()
		w.say(t, "east")
		for n := range 9_000 {
			w.say(t, "west", web("west", inShop("other"), fmt.Sprintf("10.1.%d.%d", n/250, 1+n%250)))
		}
		w.SetGates(DefaultGates())
		if got := backends(w.settle().Service(shopWeb)); got != "east/10.0.0.1:8080" {
			t.Errorf("on again, web is %s", got)
		}
	})
}

// What may not be imported is not, though it was when it was frozen, as when the policy became another in a restart.
func TestAFreezeYieldsToThePolicy(t *testing.T) {
	inWorldOf(t, Config{Patience: federation.DefaultPatience, Admit: federation.Namespaces{Deny: []federation.NamespaceRule{{Cluster: "east", Namespace: "shop"}}}}, func(t *testing.T, w *world) {
		w.Freeze(true)
		w.Remember([]Remembered{{Export: web("east", shopWeb, "10.0.0.1")}, {Export: web("west", shopWeb, "10.1.0.1")}})
		w.Open()
		if got := backends(w.settle().Service(shopWeb)); got != "west/10.1.0.1:8080" {
			t.Errorf("web is %s", got)
		}
	})
}

// A freeze that is asked for without MCSServiceDiscovery keeps what is imported once it is on.
func TestAFreezeBeginsWithTheGate(t *testing.T) {
	for _, restarted := range []bool{false, true} {
		inWorld(t, func(t *testing.T, w *world) {
			off := Gates{Hosts: true, ClusterLocal: true}
			w.SetGates(off)
			if restarted {
				w.Freeze(true)
			}
			w.Open()
			w.settle()
			w.Freeze(true)
			if v := w.say(t, "east", web("east", shopWeb, "10.0.0.1")); !v.Frozen || len(content(v)) != 0 {
				t.Errorf("without the gate: frozen %t, %s", v.Frozen, sortedNames(v))
			}
			w.SetGates(DefaultGates())
			w.settle()
			if got := backends(w.say(t, "east").Service(shopWeb)); got != "east/10.0.0.1:8080" {
				t.Errorf("with it, web is %s", got)
			}
		})
	}
}

// A cluster that takes its exports back goes on using them as they were until it is told that the others know.
func TestAClusterThatPartsGoesOnWithItsOwn(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.Announce(1, []*federation.Export{web("own", shopWeb, "10.5.0.1")})
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.Part(true)
		w.store.Silence()
		if got := backends(w.settle().Service(shopWeb)); got != "east/10.0.0.1:8080 own/10.5.0.1:8080" {
			t.Errorf("parting, web is %s", got)
		}
		if got := backends(w.say(t, "east", web("east", shopWeb, "10.0.0.2")).Service(shopWeb)); got != "east/10.0.0.2:8080 own/10.5.0.1:8080" {
			t.Errorf("east changes, web is %s", got)
		}
		w.Part(false)
		if got := backends(w.settle().Service(shopWeb)); got != "east/10.0.0.2:8080" {
			t.Errorf("parted, web is %s", got)
		}
	})
}
