package importer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// A cluster that is drained loses its traffic in steps, by the time alone, as far as it says or a person of this cluster
// does; who hears of it late is where the others are.
func TestADrainGoesOnByTheTimeAlone(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		w.Open()
		now := time.Now()
		east, api := web("east", shopWeb, "10.0.0.1"), web("east", inShop("api"), "10.0.0.2")
		east.Drain = federation.Drain{Since: now, Over: 100 * time.Second}
		w.say(t, "east", east, api)
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		lost := func() string {
			v := w.settle()
			return fmt.Sprintf("%d %d", v.Service(shopWeb).Drained, v.Service(inShop("api")).Drained)
		}
		expect := func(when, want string) {
			t.Helper()
			if got := lost(); got != want {
				t.Errorf("%s: lost is %s, want %s", when, got, want)
			}
		}
		expect("at first", "[] []")
		w.pass(11, "east", "west")
		expect("after a step", "[10 0] []")
		w.pass(50, "east", "west")
		expect("in the middle", "[60 0] []")
		before := w.View()
		w.pass(5, "east", "west")
		if w.View() != before {
			t.Error("between steps there is another View")
		}
		w.Drain(map[federation.ClusterID]federation.Drain{"east": {}, "west": {Since: now}})
		expect("a person of this cluster drains west, and east not", "[0 100] []")
		w.Drain(nil)
		w.pass(60, "east", "west")
		expect("at the end", "[100 0] []")
		again := *east
		again.Drain = federation.Drain{}
		w.say(t, "east", &again, api)
		expect("east is back", "[] []")
	})
}

// What a drain has taken is in names of cluster.local too, where these have the endpoints of others.
func TestADrainIsInNamesOfTheCluster(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		w.Open()
		own := web("own", shopWeb, "10.5.0.1")
		w.store.Set(own)
		w.SetOwn(shopWeb, own)
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.Drain(map[federation.ClusterID]federation.Drain{"own": {Since: time.Now()}})
		if s := w.settle().ClusterLocal(shopWeb, true); !slices.Equal(s.Drained, []uint8{100, 0}) {
			t.Errorf("lost is %v", s.Drained)
		}
	})
}
