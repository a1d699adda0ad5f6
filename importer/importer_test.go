package importer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// world is an importer that runs in a bubble: after settle it has nothing left to do.
type world struct {
	*Importer
	store *federation.Store
	seq   uint64
}

// inWorld runs play with an importer whose namespace "shop" exists.
func inWorld(t *testing.T, play func(t *testing.T, w *world)) { inWorldOf(t, usual, play) }

// inWorldOf does it with an importer that is told something.
func inWorldOf(t *testing.T, config Config, play func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		store := federation.NewStore("own")
		w := &world{Importer: New(store, config), store: store}
		w.SetNamespace("shop", true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- w.Start(ctx) }()
		synctest.Wait()
		play(t, w)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Start: %v", err)
		}
	})
}

// say applies the complete set of a cluster and returns the View that follows.
func (w *world) say(t *testing.T, cluster federation.ClusterID, exports ...*federation.Export) *View {
	t.Helper()
	w.seq++
	if err := federationtest.Say(w.store, cluster, federation.Version{Term: 1, Seq: w.seq}, exports...); err != nil {
		t.Fatal(err)
	}
	return w.settle()
}

func (w *world) settle() *View {
	synctest.Wait()
	return w.View()
}

// I1, checklist 3: a service is imported just while its namespace exists, also if that comes later.
func TestServiceIsImportedWhileItsNamespaceExists(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		name := federation.ServiceName{Namespace: "bank", Name: "web"}
		if v := w.say(t, "east", web("east", name, "10.0.0.1"), web("east", shopWeb)); v.Service(name) != nil || v.Service(shopWeb) == nil {
			t.Errorf("without the namespace: %s", sortedNames(v))
		}
		for _, exists := range []bool{true, false, true, true} {
			w.SetNamespace("bank", exists)
			if v := w.settle(); (v.Service(name) != nil) != exists || v.HasNamespace("bank") != exists || v.Service(shopWeb) == nil {
				t.Errorf("exists %t: %s", exists, sortedNames(v))
			}
		}
	})
}

// I4, E4: a service is there while one cluster exports it.
func TestServiceGoesWithItsLastExport(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		if v := w.say(t, "east"); len(v.Service(shopWeb).Exports) != 1 {
			t.Errorf("after one of two went: %d exports", len(v.Service(shopWeb).Exports))
		}
		if v := w.say(t, "west"); v.Service(shopWeb) != nil || v.HasNamespace("shop") {
			t.Errorf("after both went: %s", sortedNames(v))
		}
	})
}

// I9: the allocated addresses stand in the View of a ClusterSetIP service, never in that of a Headless
// one, whatever came first.
func TestAllocatedAddressesAreInTheView(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		ips := []netip.Addr{netip.MustParseAddr("10.96.0.7")}
		w.SetIPs(shopWeb, ips)
		v := w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		if !slices.Equal(v.Service(shopWeb).IPs, ips) {
			t.Errorf("allocated before it came: %v", v.Service(shopWeb).IPs)
		}
		w.SetIPs(shopWeb, slices.Clone(ips))
		if w.settle() != v {
			t.Error("the same addresses made a new View")
		}
		w.SetIPs(shopWeb, nil)
		if v := w.settle(); len(v.Service(shopWeb).IPs) != 0 {
			t.Errorf("given back: %v", v.Service(shopWeb).IPs)
		}
		w.SetIPs(shopWeb, ips)
		headless := web("east", shopWeb, "10.0.0.1")
		headless.Type = federation.Headless
		if v := w.say(t, "east", headless); len(v.Service(shopWeb).IPs) != 0 {
			t.Errorf("headless: %v", v.Service(shopWeb).IPs)
		}
		if v := w.say(t, "east", web("east", shopWeb)); !slices.Equal(v.Service(shopWeb).IPs, ips) {
			t.Errorf("not headless any more: %v", v.Service(shopWeb).IPs)
		}
	})
}

// I5: a service of whose families this cluster has none is marked so, and no other; nothing is while the
// families are not known.
func TestFamiliesThatTheClusterLacks(t *testing.T) {
	rule.Covers(t, "I5", "#15")
	inWorld(t, func(t *testing.T, w *world) {
		six, both := web("a", shopWeb, "10.0.0.1"), web("a", federation.ServiceName{Namespace: "shop", Name: "both"}, "10.0.0.2")
		six.IPFamilies = []federation.IPFamily{federation.IPv6}
		both.IPFamilies = []federation.IPFamily{federation.IPv6, federation.IPv4}
		w.SetNamespace("shop", true)
		if view := w.say(t, "a", six, both); view.Service(shopWeb).Unsupported {
			t.Error("unsupported before the families are known")
		}
		for _, step := range []struct {
			families []federation.IPFamily
			want     bool
		}{{[]federation.IPFamily{federation.IPv4}, true}, {[]federation.IPFamily{federation.IPv4, federation.IPv6}, false}} {
			w.SetFamilies(step.families)
			view := w.settle()
			if got := view.Service(shopWeb).Unsupported; got != step.want {
				t.Errorf("with %v: unsupported %v", step.families, got)
			}
			if view.Service(both.Name).Unsupported {
				t.Errorf("with %v: a service of both families is unsupported", step.families)
			}
			w.SetFamilies(slices.Clone(step.families))
			if w.settle() != view {
				t.Error("the same families made another View")
			}
		}
	})
}

// Before Open nothing may be shown, as an answer would delete by absence; with Ready all that the Store
// remembered is in the View.
func TestReadyOnlyAfterOpen(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb))
		select {
		case <-w.Ready():
			t.Error("ready before Open")
		default:
		}
		later := federation.ServiceName{Namespace: "bank", Name: "web"}
		w.store.Restore("west", []*federation.Export{web("west", later)})
		w.SetNamespace("bank", true)
		w.Open()
		<-w.Ready()
		if v := w.View(); v.Service(later) == nil || v.Service(shopWeb) == nil {
			t.Errorf("ready with %s", sortedNames(v))
		}
		w.Open()
		w.settle()
	})
}

// A cluster whose complete set has come makes a new View, also when the set changes nothing: what the
// View lacks of that cluster is now known not to exist.
func TestFirstCompleteSetMakesANewView(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.store.Restore("east", []*federation.Export{web("east", shopWeb)})
		before := w.settle()
		if before.Synced("east") || before.Service(shopWeb) == nil {
			t.Error("what is remembered counts as heard, or for nothing")
		}
		after := w.say(t, "east", web("east", shopWeb))
		if after == before || !after.Synced("east") || after.Service(shopWeb) != before.Service(shopWeb) {
			t.Error("the complete set is not seen, or it made another Service")
		}
		if w.say(t, "east", web("east", shopWeb)) != after {
			t.Error("the same set again made a new View")
		}
	})
}

// What did not change keeps its pointer; Revision counts on; each View's Replaced closes when the next
// one stands, and not before.
func TestEachChangeReplacesTheViewOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		other := federation.ServiceName{Namespace: "shop", Name: "other"}
		view := w.say(t, "east", web("east", shopWeb), web("east", other))
		stays := view.Service(other)
		for i := range 10 {
			select {
			case <-view.Replaced():
				t.Fatal("replaced, but nothing changed")
			default:
			}
			next := w.say(t, "east", web("east", shopWeb, fmt.Sprintf("10.0.0.%d", i+1)), web("east", other))
			<-view.Replaced()
			if next.Revision != view.Revision+1 || next.Service(other) != stays || next.Service(shopWeb) == view.Service(shopWeb) {
				t.Fatalf("revision %d after %d", next.Revision, view.Revision)
			}
			view = next
		}
	})
}

// Each View that changes of the Store brought is measured by the oldest of them, also those that waited for one
// another; what changes no View, or comes of local facts, is not.
func TestViewsAreMeasuredByTheirOldestChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ages []time.Duration
		store := federation.NewStore("own")
		i := New(store, usual)
		i.Measure(func(age time.Duration) { ages = append(ages, age) })
		var revision uint64
		i.SetNamespace("shop", true)
		store.Announce(1, nil)
		step := func(wait time.Duration, change func(), want ...time.Duration) {
			t.Helper()
			ages = nil
			change()
			time.Sleep(wait)
			i.turn(&revision, false, time.Now())
			if !slices.Equal(ages, want) {
				t.Errorf("ages %v, want %v", ages, want)
			}
		}
		step(time.Second, func() {}) // the clusters that are synced
		step(2*time.Millisecond, func() { store.Set(web("own", shopWeb, "10.0.0.1")) }, 2*time.Millisecond)
		step(time.Millisecond, func() {
			store.Set(web("own", shopWeb, "10.0.0.2"))
			time.Sleep(4 * time.Millisecond)
			store.Set(web("own", shopWeb, "10.0.0.3"))
		}, 5*time.Millisecond)
		step(time.Second, func() { store.Set(web("own", federation.ServiceName{Namespace: "bank", Name: "web"})) })
		step(time.Second, func() { i.SetNamespace("bank", true) })
		step(3*time.Millisecond, func() { store.Withdraw(shopWeb) }, 3*time.Millisecond)
	})
}

// More changes at once than the Store's journal remembers, with removals, leave nothing stale.
func TestMoreChangesThanTheJournalLeaveNothingStale(t *testing.T) {
	const many = 9000 // the journal holds 8192
	set := func(from int) (list []*federation.Export) {
		for i := range many {
			list = append(list, web("east", federation.ServiceName{Namespace: fmt.Sprintf("ns-%d", i%10), Name: fmt.Sprintf("s-%d", from+i)}))
		}
		return list
	}
	inWorld(t, func(t *testing.T, w *world) {
		for i := range 10 {
			w.SetNamespace(fmt.Sprintf("ns-%d", i), true)
		}
		w.say(t, "east", web("east", shopWeb))
		for _, exports := range [][]*federation.Export{set(0), set(many / 2), set(5 * many), nil} {
			view := w.say(t, "east", exports...)
			if got := len(content(view)); got != len(exports) {
				t.Errorf("%d Services, want %d", got, len(exports))
			}
			for _, e := range exports {
				if s := view.Service(e.Name); s == nil || s.Exports[0] != w.store.Exports(e.Name)[0] {
					t.Fatalf("%s is stale", e.Name)
				}
			}
		}
	})
}
