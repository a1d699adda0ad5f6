package importer

import (
	"maps"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// An agent that was stopped, or slept, heard nobody, and blames nobody: who comes late to what was due excuses the time
// since it looked. What is a little late is on time.
func TestAnAgentThatWasStoppedBlamesNobody(t *testing.T) {
	for _, stopped := range []time.Duration{0, 2 * time.Second, 10 * time.Second, time.Hour} {
		now := time.Now()
		store := federation.NewStore("own")
		store.KeepTime(func() time.Time { return now })
		store.Announce(1, nil)
		store.Heard("east", now)
		f := newFates(store)
		s := Merge([]*federation.Export{web("east", shopWeb, "10.0.0.1")})
		s.Patience = usual.Patience
		c := class{"east", s.Patience}
		fate := f.fate(c, now)
		f.hold(s)
		if fate != federation.Served || f.isDue(now) || !f.due.Equal(now.Add(30*time.Second)) {
			t.Errorf("at first: %s, due at %s", fate, f.due)
		}
		run := func(seconds int) {
			for range seconds {
				now = now.Add(time.Second)
				store.Awake(now)
			}
		}
		run(10)
		now = now.Add(stopped)
		run(1)
		if changed := f.review(now); len(changed) > 0 || f.fate(c, now) != federation.Served {
			t.Errorf("after a stop of %s: %s", stopped, f.fate(c, now))
		}
		run(20)
		if changed := f.review(now); !changed[c] || f.fate(c, now) != federation.Demoted {
			t.Errorf("half a minute of silence around a stop of %s: %s", stopped, f.fate(c, now))
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
			if got, want := w.counted(), classesOf(w.View()); !maps.Equal(got, want) {
				t.Errorf("kept is %v, the View has %v", got, want)
				return
			}
		}
		for _, cluster := range clusters {
			w.say(t, cluster)
		}
		if left := w.counted(); len(left) > 0 {
			t.Errorf("left: %v", left)
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

// counted returns how many services there are of each class, as fates has it, while the loop waits. It ends with a lock
// that each turn of the loop takes, so that the next one comes after it.
func (w *world) counted() map[class]int {
	defer w.facts.of(shopWeb)
	m := map[class]int{}
	for c, j := range w.fates.of {
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
