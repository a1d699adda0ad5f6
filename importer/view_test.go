package importer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// anyEdit returns the View after a few random changes, and the namespaces that these touched.
func anyEdit(r *rand.Rand, from *View) (*View, map[string]bool) {
	d := newEdit(from, from.synced, from.Gates, from.Frozen)
	touched := map[string]bool{}
	for range r.IntN(5) {
		name := federation.ServiceName{Namespace: pick(r, "a", "b", "c", "d"), Name: pick(r, "x", "y", "z")}
		if r.IntN(2) == 0 {
			d.set(name, &Service{Name: name})
		} else if from.Service(name) != nil {
			d.set(name, nil)
		} else {
			continue
		}
		touched[name.Namespace] = true
	}
	return d.view(), touched
}

// naive is what Diff must yield, by looking at everything.
func naive(before, after *View) map[federation.ServiceName]Change {
	old, now, all := content(before), content(after), map[federation.ServiceName]Change{}
	for name := range maps.Keys(old) {
		all[name] = Change{Name: name, Old: old[name], New: now[name]}
	}
	for name := range maps.Keys(now) {
		all[name] = Change{Name: name, Old: old[name], New: now[name]}
	}
	maps.DeleteFunc(all, func(_ federation.ServiceName, c Change) bool { return c.Old == c.New })
	return all
}

// Between any two Views, near or far, forwards or backwards, Diff yields each difference once, and
// nothing else.
func TestDiffIsWhatLookingAtEverythingWouldFind(t *testing.T) {
	r := random(t)
	views := []*View{Empty()}
	for range 200 {
		next, _ := anyEdit(r, views[len(views)-1])
		views = append(views, next)
	}
	for range 2000 {
		before, after := views[r.IntN(len(views))], views[r.IntN(len(views))]
		got := map[federation.ServiceName]Change{}
		for c := range Diff(before, after) {
			if _, twice := got[c.Name]; twice {
				t.Fatalf("%s comes twice", c.Name)
			}
			got[c.Name] = c
		}
		if want := naive(before, after); !maps.Equal(got, want) {
			t.Fatalf("got\n%v\nwant\n%v", got, want)
		}
	}
}

// A View costs what changed: all other namespaces are those of the View before.
func TestUntouchedNamespacesAreShared(t *testing.T) {
	r := random(t)
	view := Empty()
	for range 300 {
		before := content(view)
		next, touched := anyEdit(r, view)
		for name, ns := range next.namespaces.all() {
			if shared := ns == view.namespaces.of(name); shared == touched[name] {
				t.Fatalf("%s: shared %t, touched %t", name, shared, touched[name])
			}
			if ns.count == 0 {
				t.Fatalf("%s is empty, and still there", name)
			}
		}
		if !maps.Equal(content(view), before) {
			t.Fatal("the View before was written to")
		}
		view = next
	}
}

// A reader that breaks off a Diff, or All, is not called again, whatever is left.
func TestReadersMayBreakOff(t *testing.T) {
	d := newEdit(Empty(), nil, DefaultGates(), false)
	for i := range 9 {
		name := federation.ServiceName{Namespace: fmt.Sprint(i % 3), Name: fmt.Sprint(i)}
		d.set(name, &Service{Name: name})
	}
	full := d.view()
	for _, pair := range [][2]*View{{Empty(), full}, {full, Empty()}} {
		for most := range 9 {
			seen := 0
			for range Diff(pair[0], pair[1]) {
				if seen++; seen > most {
					break
				}
			}
			if seen != most+1 {
				t.Errorf("broke off after %d, saw %d", most+1, seen)
			}
		}
	}
	for range full.All() {
		break
	}
}

func TestViewFindsWhatIsThere(t *testing.T) {
	d := newEdit(Empty(), []federation.ClusterID{"east", "west"}, DefaultGates(), false)
	web := &Service{Name: shopWeb}
	d.set(shopWeb, web)
	v := d.view()
	other := federation.ServiceName{Namespace: "shop", Name: "api"}
	elsewhere := federation.ServiceName{Namespace: "bank", Name: "web"}
	if v.Service(shopWeb) != web || v.Service(other) != nil || v.Service(elsewhere) != nil || !v.HasNamespace("shop") || v.HasNamespace("bank") {
		t.Errorf("view: %s", sortedNames(v))
	}
	if !v.Synced("east") || !v.Synced("west") || v.Synced("north") || v.SyncedEpoch() != Empty().SyncedEpoch()+1 {
		t.Errorf("synced: %v", v.synced)
	}
	if e := Empty(); e.Service(shopWeb) != nil || e.HasNamespace("shop") || e.Synced("east") || len(slices.Collect(e.All())) != 0 {
		t.Error("the empty View holds something")
	}
}

// What is set and set back in one edit is as it was.
func TestAnEditTakesTheLastWordOnOwnServices(t *testing.T) {
	before, other := web("own", shopWeb, "10.5.0.1"), web("own", shopWeb, "10.5.0.2")
	d := newEdit(Empty(), nil, DefaultGates(), false)
	d.setOwn(shopWeb, before)
	view := d.view()
	d = newEdit(view, nil, DefaultGates(), false)
	d.setOwn(shopWeb, other)
	d.setOwn(shopWeb, before)
	if got := d.view().Own(shopWeb); got != before {
		t.Errorf("it is %v", got)
	}
}
