package importer

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// inFates runs play where this agent leads: it hears all who speak, so that every silence is theirs.
func inFates(t *testing.T, config Config, play func(t *testing.T, w *world)) {
	inWorldOf(t, config, func(t *testing.T, w *world) {
		w.store.Announce(1, nil)
		play(t, w)
	})
}

// hear lets clusters be heard now, and returns the View that follows.
func (w *world) hear(clusters ...federation.ClusterID) *View {
	for _, c := range clusters {
		w.store.Heard(c, time.Now())
	}
	return w.settle()
}

// pass lets seconds go by, in each of which these clusters are heard, and returns the View at the end.
func (w *world) pass(seconds int, heard ...federation.ClusterID) *View {
	for range seconds {
		time.Sleep(time.Second)
		w.hear(heard...)
	}
	return w.settle()
}

// fatesOf says what becomes of a service, as "east demoted, west served".
func fatesOf(v *View, name federation.ServiceName) string {
	s := v.Service(name)
	if s == nil {
		return "no service"
	}
	var list []string
	for i, e := range s.Exports {
		list = append(list, fmt.Sprint(e.Cluster, " ", s.Fate(i)))
	}
	return strings.Join(list, ", ")
}

func inShop(name string) federation.ServiceName {
	return federation.ServiceName{Namespace: "shop", Name: name}
}

// unready returns an export of which no endpoint is ready.
func unready(cluster federation.ClusterID) *federation.Export {
	e := web(cluster, shopWeb, "10.9.0.1")
	e.Subsets[0].Endpoints[0].Conditions = federation.Serving
	return e
}

// S10, checklist 41: a cluster that is not heard stays as it was for a while, then others go before it, then its
// endpoints go, however long that lasts; when it is heard, it is back in the same moment.
func TestASilentClusterIsDemotedThenWithdrawnThenBack(t *testing.T) {
	rule.Covers(t, "S10", "#41", "#42")
	inFates(t, usual, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		w.hear("east", "west")
		for _, step := range []struct {
			seconds int
			want    string
		}{{29, "east served, west served"}, {1, "east demoted, west served"}, {569, "east demoted, west served"}, {1, "east withdrawn, west served"}, {3000, "east withdrawn, west served"}} {
			if got := fatesOf(w.pass(step.seconds, "west"), shopWeb); got != step.want {
				t.Errorf("after another %d s: %s, want %s", step.seconds, got, step.want)
			}
		}
		before := time.Now()
		if got := fatesOf(w.hear("east"), shopWeb); got != "east served, west served" || !time.Now().Equal(before) {
			t.Errorf("heard again: %s, after %s", got, time.Since(before))
		}
	})
}

// Endpoints of silent clusters are better than none: they wait only for ready ones of clusters that are heard.
func TestDemotionNeedsSomebodyBetter(t *testing.T) {
	rule.Covers(t, "S10")
	inFates(t, usual, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.say(t, "west", unready("west"))
		w.hear("east", "west")
		expect := func(when, want string, v *View) {
			t.Helper()
			if got := fatesOf(v, shopWeb); got != want {
				t.Errorf("%s: %s, want %s", when, got, want)
			}
		}
		alone := w.pass(60, "west")
		expect("no other is ready", "east served, west served", alone)
		if alone.Service(shopWeb).Fates != nil {
			t.Error("all are served, and Fates is not nil")
		}
		expect("another is ready", "east demoted, west served", w.say(t, "west", web("west", shopWeb, "10.1.0.1")))
		expect("it is not ready any more", "east served, west served", w.say(t, "west", unready("west")))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		expect("the other is silent too", "east served, west served", w.pass(60, "north"))
		w.say(t, "north", web("north", shopWeb, "10.2.0.1"))
		expect("a third is heard", "east demoted, north served, west demoted", w.settle())
		expect("the third withdrew", "east served, west served", w.say(t, "north"))
		expect("withdrawn, though there is nobody else", "east withdrawn, west withdrawn", w.pass(600, "north"))
	})
}

// Our own cluster needs nobody to be heard, and its ready endpoints go before those of silent clusters.
func TestOurOwnClusterIsAlwaysHeard(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.store.Set(web("own", shopWeb, "10.5.0.1"))
		if got := fatesOf(w.pass(30), shopWeb); got != "east demoted, own served" {
			t.Errorf("after 30 s: %s", got)
		}
		if got := fatesOf(w.pass(3600), shopWeb); got != "east withdrawn, own served" {
			t.Errorf("after an hour: %s", got)
		}
	})
}

// record returns at which second what became of east's endpoints of each service, while west is heard all the time
// and east in the seconds that heard says.
func (w *world) record(seconds int, heard func(second int) bool, names ...federation.ServiceName) map[string]string {
	was, log := map[string]federation.Fate{}, map[string]string{}
	for second := range seconds + 1 {
		clusters := []federation.ClusterID{"west"}
		if heard(second) {
			clusters = append(clusters, "east")
		}
		view := w.hear(clusters...)
		for _, name := range names {
			s := view.Service(name)
			i := slices.IndexFunc(s.Exports, func(e *federation.Export) bool { return e.Cluster == "east" })
			if fate := s.Fate(i); fate != was[name.Name] {
				was[name.Name] = fate
				log[name.Name] += fmt.Sprintf("%d %s ", second, fate)
			}
		}
		time.Sleep(time.Second)
	}
	return log
}

func atFirst(second int) bool { return second == 0 }

func after(d time.Duration) federation.Delay { return federation.Delay{Given: true, After: d} }

// Each service has the patience that its oldest export asks for; where that says nothing, this cluster's own.
func TestTheOldestExportDecidesThePatience(t *testing.T) {
	oldest := map[string]federation.Quiet{
		"usual":   {},
		"young":   {},
		"patient": {Demote: after(time.Minute)},
		"hasty":   {Demote: after(0), Withdraw: after(20 * time.Second)},
		"forever": {Withdraw: after(0)},
		"swapped": {Demote: after(time.Minute), Withdraw: after(40 * time.Second)},
	}
	want := map[string]string{
		"usual":   "30 demoted 600 withdrawn ",
		"young":   "30 demoted 600 withdrawn ",
		"patient": "60 demoted 600 withdrawn ",
		"hasty":   "3 demoted 20 withdrawn ",
		"forever": "30 demoted ",
		"swapped": "40 withdrawn ",
	}
	inFates(t, usual, func(t *testing.T, w *world) {
		var names []federation.ServiceName
		var easts, wests []*federation.Export
		for name, quiet := range oldest {
			east, west := web("east", inShop(name), "10.0.0.1"), web("west", inShop(name), "10.1.0.1")
			west.Created = east.Created.Add(-time.Hour)
			west.Quiet = quiet
			if name == "young" {
				east.Quiet = federation.Quiet{Demote: after(5 * time.Second), Withdraw: after(6 * time.Second)}
			}
			names, easts, wests = append(names, inShop(name)), append(easts, east), append(wests, west)
		}
		w.say(t, "east", easts...)
		w.say(t, "west", wests...)
		if got := w.record(700, atFirst, names...); !maps.Equal(got, want) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	})
}

// An importer that is told 0 never withdraws.
func TestWithdrawAfterNothingIsNever(t *testing.T) {
	inFates(t, Config{Patience: federation.Patience{Demote: 10 * time.Second}}, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		if got := w.record(5000, atFirst, shopWeb)["web"]; got != "10 demoted " {
			t.Errorf("got %s", got)
		}
	})
}

// When the oldest export changes its mind, or goes, what it asked for does too.
func TestPatienceFollowsTheOldestExport(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		east, west := web("east", shopWeb, "10.0.0.1"), web("west", shopWeb, "10.1.0.1")
		west.Created = east.Created.Add(-time.Hour)
		w.say(t, "east", east)
		w.say(t, "west", west)
		w.hear("east", "west")
		patient := *west
		patient.Quiet.Demote = after(time.Hour)
		for _, step := range []struct {
			said *federation.Export
			want string
		}{{west, "east demoted, west served"}, {&patient, "east served, west served"}, {west, "east demoted, west served"}} {
			w.pass(40, "west")
			if got := fatesOf(w.say(t, "west", step.said), shopWeb); got != step.want {
				t.Errorf("with %+v: %s, want %s", step.said.Quiet, got, step.want)
			}
		}
	})
}

// Checklist 41: a cluster that comes and goes stays demoted until it was heard for a minute.
func TestAClusterThatComesAndGoesStaysDemoted(t *testing.T) {
	rule.Covers(t, "#41")
	inFates(t, usual, func(t *testing.T, w *world) {
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		flaps := func(s int) bool { return s <= 10 || s == 20 || s >= 30 && s < 200 && s%10 < 5 || s >= 200 }
		if got := w.record(400, flaps, shopWeb)["web"]; got != "23 demoted 260 served " {
			t.Errorf("got %s", got)
		}
	})
}

// What is remembered from before a restart is served under the same policy, counted from the start; also if it comes
// to light only later.
func TestARememberedClusterCountsFromTheStart(t *testing.T) {
	rule.Covers(t, "#43")
	inFates(t, usual, func(t *testing.T, w *world) {
		w.store.Expect("late")
		w.store.Restore("east", []*federation.Export{web("east", shopWeb, "10.0.0.1")})
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		w.pass(20, "west")
		w.store.Restore("late", []*federation.Export{web("late", shopWeb, "10.2.0.1")})
		for _, step := range []struct {
			seconds int
			want    string
		}{{9, "east served, late served, west served"}, {1, "east demoted, late demoted, west served"}, {570, "east withdrawn, late withdrawn, west served"}} {
			view := w.pass(step.seconds, "west")
			if got := fatesOf(view, shopWeb); got != step.want || view.Synced("east") {
				t.Errorf("after another %d s: %s, want %s; synced %t", step.seconds, got, step.want, view.Synced("east"))
			}
		}
		remembered := w.View().Service(shopWeb).Exports[0]
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"))
		view := w.hear("east")
		if got := fatesOf(view, shopWeb); got != "east served, late withdrawn, west served" || !view.Synced("east") {
			t.Errorf("heard at last: %s", got)
		}
		if view.Service(shopWeb).Exports[0] != remembered {
			t.Error("the same word again is another Export")
		}
	})
}

// Type, ports, families, policies, labels and conflicts do not depend on who hears whom: they are just what Merge says
// of all that is held.
func TestFatesChangeNothingElse(t *testing.T) {
	r := random(t)
	for range 10 {
		exports := anyExports(r)
		for _, e := range exports {
			e.Subsets[0].Endpoints[0].Conditions = federation.Ready
		}
		inFates(t, usual, func(t *testing.T, w *world) {
			var heard []federation.ClusterID
			for _, e := range exports {
				w.say(t, e.Cluster, e)
				if r.IntN(2) == 0 {
					heard = append(heard, e.Cluster)
				}
			}
			for _, seconds := range []int{1, 30, 600} {
				s := *w.pass(seconds, heard...).Service(shopWeb)
				if quiet := len(heard) < len(exports) && (seconds == 600 || seconds == 30 && len(heard) > 0); quiet != (s.Fates != nil) {
					t.Errorf("%d of %d are heard, after %d s: %v", len(heard), len(exports), seconds, s.Fates)
				}
				s.Fates, s.Patience = nil, federation.Patience{}
				if want := Merge(exports); !reflect.DeepEqual(&s, want) {
					t.Errorf("after %d s:\n%s\nwant:\n%s", seconds, printService(&s), printService(want))
				}
			}
		})
	}
}

// Backends, too, are all that there were, but for those that are withdrawn.
func TestBackendsTellTheirFate(t *testing.T) {
	s := Merge([]*federation.Export{web("a", shopWeb, "10.0.0.1"), web("b", shopWeb, "10.1.0.1", "10.1.0.2"), web("c", shopWeb, "10.2.0.1")})
	s.Fates = []federation.Fate{federation.Withdrawn, federation.Demoted, federation.Served}
	var got []string
	for b := range s.Backends(s.Ports[0]) {
		got = append(got, fmt.Sprintf("%s %s %t", b.Cluster, b.Endpoint.Address, b.Demoted))
	}
	if want := []string{"b 10.1.0.1 true", "b 10.1.0.2 true", "c 10.2.0.1 false"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A silence costs work for the services that it changes alone: all others keep their pointer, and there is no View
// while nothing changes.
func TestASilenceConcernsOnlyItsServices(t *testing.T) {
	inFates(t, usual, func(t *testing.T, w *world) {
		alone, others, ours := inShop("alone"), inShop("others"), inShop("ours")
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", alone, "10.0.0.2"))
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"), web("west", others, "10.1.0.2"))
		w.store.Set(web("own", ours, "10.5.0.1"))
		w.hear("east", "west")
		stages := []*View{w.pass(29, "west"), w.pass(1, "west"), w.pass(569, "west"), w.pass(1, "west"), w.pass(900, "west"), w.hear("east")}
		changed := [][]federation.ServiceName{nil, {shopWeb}, nil, {alone, shopWeb}, nil, {alone, shopWeb}}
		for i := 1; i < len(stages); i++ {
			var got []federation.ServiceName
			for c := range Diff(stages[i-1], stages[i]) {
				got = append(got, c.Name)
			}
			slices.SortFunc(got, federation.ServiceName.Compare)
			views := stages[i].Revision - stages[i-1].Revision
			if !slices.Equal(got, changed[i]) || views != uint64(min(1, len(changed[i]))) {
				t.Errorf("stage %d: %v changed, in %d Views; want %v", i, got, views, changed[i])
			}
		}
	})
}
