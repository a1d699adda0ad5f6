package importer

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// An agent that was stopped, or slept, heard nobody, and blames nobody: who comes late to what was due excuses the time
// since it looked. What is a little late is on time.
func TestAnAgentThatWasStoppedBlamesNobody(t *testing.T) {
	start := time.Now()
	for _, test := range []struct {
		late time.Duration // than the 30 s after which east is demoted
		want map[time.Duration]federation.Fate
	}{
		{0, map[time.Duration]federation.Fate{0: federation.Demoted, 570 * time.Second: federation.Withdrawn}},
		{2 * time.Second, map[time.Duration]federation.Fate{0: federation.Demoted}},
		{3 * time.Second, map[time.Duration]federation.Fate{0: federation.Served, 29 * time.Second: federation.Served, 30 * time.Second: federation.Demoted}},
		{time.Hour, map[time.Duration]federation.Fate{0: federation.Served, 30 * time.Second: federation.Demoted, 600 * time.Second: federation.Withdrawn}},
	} {
		store := federation.NewStore("own")
		store.KeepTime(func() time.Time { return start })
		store.Announce(1, nil)
		store.Heard("east", start)
		f := newFates(store)
		s := Merge([]*federation.Export{web("east", shopWeb, "10.0.0.1")})
		s.Patience = usual.Patience
		c := class{"east", s.Patience}
		fate := f.fate(c, start)
		f.hold(s)
		if wait := f.wait(start); fate != federation.Served || wait != 30*time.Second {
			t.Errorf("at first: %s, review in %s", fate, wait)
		}
		awake := start.Add(30*time.Second + test.late)
		for _, later := range slices.Sorted(maps.Keys(test.want)) {
			changed := f.review(awake.Add(later))
			got := f.fate(c, awake.Add(later))
			if got != test.want[later] || changed[c] != (got != fate) {
				t.Errorf("%s late, %s later: %s, changed %v; want %s", test.late, later, got, changed, test.want[later])
			}
			fate = got
		}
	}
}

// Nothing is kept of clusters and patiences that no Service has any more, whatever came and went; and of those that one
// has, just as many are counted.
func TestFatesForgetWhatIsGone(t *testing.T) {
	r := random(t)
	clusters := []federation.ClusterID{"east", "north", "west"}
	names := []federation.ServiceName{inShop("a"), inShop("b"), {Namespace: "bank", Name: "a"}}
	inFates(t, usual, func(t *testing.T, w *world) {
		for range 300 {
			switch cluster := pick(r, clusters...); r.IntN(4) {
			case 0:
				w.SetNamespace(pick(r, "shop", "bank"), r.IntN(2) == 0)
			case 1:
				w.pass(1+r.IntN(40), cluster)
			case 2:
				w.store.Set(web("own", pick(r, names...)))
			default:
				w.say(t, cluster, anyQuiet(r.IntN, cluster, names)...)
			}
			w.settle()
			if got, want := counted(w.fates), classesOf(w.View()); !maps.Equal(got, want) {
				t.Errorf("kept is %v, the View has %v", got, want)
				return
			}
		}
		for _, cluster := range clusters {
			w.say(t, cluster)
		}
		if len(w.fates.of) > 0 {
			t.Errorf("left: %v", counted(w.fates))
		}
	})
}

// anyQuiet returns exports of some of the services, with any patience, by a cluster that is older or younger than
// others.
func anyQuiet(n func(int) int, cluster federation.ClusterID, names []federation.ServiceName) (list []*federation.Export) {
	for _, name := range names {
		if n(2) == 0 {
			continue
		}
		e := web(cluster, name, "10.0.0.1")
		e.Created = e.Created.Add(time.Duration(n(4)) * time.Hour)
		e.Quiet = federation.Quiet{Demote: federation.Delay{Given: n(2) == 0}}
		if n(2) == 0 {
			e.Quiet.Withdraw = after(time.Duration(n(3)) * 20 * time.Second)
		}
		list = append(list, e)
	}
	return list
}

// counted returns how many services there are of each class, as fates has it.
func counted(f *fates) map[class]int {
	m := map[class]int{}
	for c, j := range f.of {
		m[c] = j.services
	}
	return m
}

// classesOf returns it as the View has it.
func classesOf(v *View) map[class]int {
	m := map[class]int{}
	for s := range v.All() {
		for _, e := range s.Exports {
			if e.Cluster != "own" {
				m[class{e.Cluster, s.Patience}]++
			}
		}
	}
	return m
}
