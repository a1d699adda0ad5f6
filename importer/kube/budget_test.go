package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/hansa-mcs/hansa/federation"
)

// storm changes services in turn, one each pause, for a while: each change is written when the budget lets it. It returns
// how many writes there were, and the longest that a change waited.
func storm(b *budget, services int, pause, took, lasts time.Duration) (writes int, longest time.Duration) {
	now := time.Unix(0, 0)
	changed := map[int]time.Time{}
	due := map[int]time.Time{}
	for i := 0; time.Duration(i)*pause < lasts; i++ {
		now = now.Add(pause)
		if s := i % services; changed[s].IsZero() {
			changed[s], due[s] = now, now
		}
		for s := range services {
			if changed[s].IsZero() || due[s].After(now) {
				continue
			}
			name := federation.ServiceName{Namespace: "shop", Name: fmt.Sprint(s)}
			if wait := b.wait(name, 1, now); wait > 0 {
				due[s] = now.Add(wait)
				continue
			}
			writes++
			longest = max(longest, now.Sub(changed[s]))
			changed[s] = time.Time{}
			b.wrote(name, now, took)
		}
	}
	return writes, longest
}

func TestWritesThatCanWaitTakeTheirShareOfTime(t *testing.T) {
	for _, c := range []struct {
		what     string
		services int
		took     time.Duration
		min, max int // writes in ten seconds of 100 changes each
	}{
		{"a fast API server is written each change", 20, 2 * time.Millisecond, 1000, 1000},
		{"a busy one less often", 20, 10 * time.Millisecond, 330, 370},
		{"and less", 20, 15 * time.Millisecond, 215, 260},
		{"however slow it is, each service within a second", 20, time.Minute, 200, 240},
		{"one service alone as well", 1, 10 * time.Millisecond, 330, 370},
		{"services that rested wait for nobody", 200, 10 * time.Millisecond, 1000, 1000},
	} {
		writes, longest := storm(newBudget(), c.services, 10*time.Millisecond, c.took, 10*time.Second)
		if writes < c.min || writes > c.max || longest > longestWait {
			t.Errorf("%s: %d writes, want %d to %d; a change waited %v", c.what, writes, c.min, c.max, longest)
		}
	}
}

func TestABudgetForgetsServicesThatAreGone(t *testing.T) {
	b := newBudget()
	b.wrote(web, time.Unix(0, 0), time.Millisecond)
	if b.forget(web); len(b.turns) > 0 {
		t.Errorf("it remembers %v", b.turns)
	}
}

func TestOnlySlicesThatLoseNothingCanWait(t *testing.T) {
	slice := func(name string, endpoints ...string) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{}
		s.Name = name
		for _, e := range endpoints {
			ready := !strings.HasPrefix(e, "-")
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{e}, Conditions: discoveryv1.EndpointConditions{Ready: &ready}})
		}
		return s
	}
	again := func(s ...*discoveryv1.EndpointSlice) (changes []Change) {
		for _, s := range s {
			changes = append(changes, Change{Verb: Apply, Object: s})
		}
		return changes
	}
	now := Current{Slices: []*discoveryv1.EndpointSlice{slice("s1", "a", "b"), slice("s2", "c"), slice("s3", "-d")}}
	for _, c := range []struct {
		what    string
		changes []Change
		want    bool
	}{
		{"nothing", nil, false},
		{"another address", again(slice("s1", "a", "e")), true},
		{"one more", again(slice("s1", "a", "b", "e")), true},
		{"one that moves", again(slice("s1", "a"), slice("s2", "c", "b")), true},
		{"one fewer", again(slice("s1", "a")), false},
		{"one that is ready no more", again(slice("s1", "a", "-b")), false},
		{"the first", again(slice("s3", "d")), false},
		{"a new slice", []Change{{Verb: Apply, Object: slice("s4", "e"), First: true}}, false},
		{"a slice that goes", append(again(slice("s1", "a", "b", "c")), Change{Verb: Delete, Object: slice("s2", "c")}), false},
	} {
		if got := canWait(now, c.changes); got != c.want {
			t.Errorf("%s: %t, want %t", c.what, got, c.want)
		}
	}
}

// TestAServiceThatChangesAgainAndAgainIsWrittenWithinASecond: the last that is said of it is written without a change
// that wakes us, and what takes an endpoint waits for nothing.
func TestAServiceThatChangesAgainAndAgainIsWrittenWithinASecond(t *testing.T) {
	onRig(t, func(r *rig) {
		r.takes = 100 * time.Millisecond
		change := func(i int) {
			r.export(fmt.Sprintf("- cluster: a\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: [10.1.0.1, 10.2.0.%d]\n", i+1))
		}
		change(0)
		r.rounds(3, false)
		writes := 0
		for i := range 100 {
			change(i + 1)
			writes += len(r.rounds(1, false))
		}
		if writes < budgetBurst || writes > 60 {
			t.Errorf("%d writes of 100 changes", writes)
		}
		change(200)
		result, err := r.round()
		if err != nil || result.RequeueAfter <= 0 || result.RequeueAfter > longestWait {
			t.Fatalf("result %v, error %v", result, err)
		}
		r.export(exported1)
		if got := r.rounds(1, false); len(got) != 1 {
			t.Errorf("a removal waits: written is %v", got)
		}
		change(201)
		r.rounds(1, false)
		change(202)
		if result, err = r.round(); err != nil || result.RequeueAfter <= 0 {
			t.Fatalf("result %v, error %v", result, err)
		}
		time.Sleep(result.RequeueAfter)
		r.rounds(1, false)
		if now := r.current().Slices; len(now) != 1 || !slices.ContainsFunc(now[0].Endpoints, func(e discoveryv1.Endpoint) bool { return e.Addresses[0] == "10.2.0.203" }) {
			t.Errorf("the last change is not written: %v", now)
		}
	})
}
