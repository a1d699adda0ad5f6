package kube

import (
	"errors"
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
			if wait := b.wait(name, 1, false, now); wait > 0 {
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
		{"a busy one less often", 20, 5 * time.Millisecond, 400, 440},
		{"and less", 20, 8 * time.Millisecond, 250, 290},
		{"however slow it is, each service within a second", 20, time.Minute, 200, 240},
		{"one service alone as well", 1, 10 * time.Millisecond, 200, 240},
		{"services that rested wait for nobody", 200, 10 * time.Millisecond, 1000, 1000},
	} {
		writes, longest := storm(newBudget(), c.services, 10*time.Millisecond, c.took, 10*time.Second)
		if writes < c.min || writes > c.max || longest > longestWait {
			t.Errorf("%s: %d writes, want %d to %d; a change waited %v", c.what, writes, c.min, c.max, longest)
		}
	}
}

// TestAStormLeavesNoDebt: who changes twice after it waits for nothing.
func TestAStormLeavesNoDebt(t *testing.T) {
	b := newBudget()
	storm(b, 200, 500*time.Microsecond, 15*time.Millisecond, time.Minute)
	calm := time.Unix(0, 0).Add(62 * time.Second)
	b.wrote(web, calm, time.Millisecond)
	if wait := b.wait(web, 1, false, calm.Add(100*time.Millisecond)); wait > 0 {
		t.Errorf("it waits for %s", wait)
	}
}

// TestEachWriteIsCharged: a service of many slices takes as much of the budget as it writes, and the most there is.
func TestEachWriteIsCharged(t *testing.T) {
	for writes, left := range map[int]float64{1: budgetBurst - 1, 5: budgetBurst - 5, budgetBurst + 1: 0} {
		b, now := newBudget(), time.Unix(0, 0)
		b.wrote(web, now, time.Millisecond)
		if wait := b.wait(web, writes, false, now); wait > 0 || b.limiter.TokensAt(now) != left {
			t.Errorf("%d writes wait for %s and leave room for %v, want %v", writes, wait, b.limiter.TokensAt(now), left)
		}
	}
}

// TestWhoComesAndGoesWaitsLikeTheRest: some urgent writes are made at once, and no more until the service rested.
func TestWhoComesAndGoesWaitsLikeTheRest(t *testing.T) {
	b, now := newBudget(), time.Unix(0, 0)
	asked := func() time.Duration {
		b.limiter.ReserveN(now, budgetBurst) // others take what there is
		wait := b.wait(web, 1, true, now)
		if wait == 0 {
			b.wrote(web, now, 10*time.Millisecond)
		}
		return wait
	}
	for i := range 600 { // five changes each second, for two minutes
		switch wait := asked(); {
		case i < flapBurst && wait > 0:
			t.Fatalf("change %d waits %s", i, wait)
		case i == flapBurst && wait == 0:
			t.Fatalf("change %d is written at once", i)
		case wait > longestWait:
			t.Fatalf("change %d waits %s", i, wait)
		}
		now = now.Add(200 * time.Millisecond)
	}
	b.wrote(web, now, 10*time.Millisecond)
	if wait := asked(); wait == 0 {
		t.Error("it has not rested, and is written at once")
	}
	now = now.Add(flapEvery)
	b.wrote(web, now, 10*time.Millisecond)
	if wait := asked(); wait > 0 {
		t.Errorf("after a rest it waits for %s", wait)
	}
}

// TestWhoWaitsTheLongestDoesNotWaitTogether: services that began at once are written one after the other.
func TestWhoWaitsTheLongestDoesNotWaitTogether(t *testing.T) {
	b, now := newBudget(), time.Unix(0, 0)
	b.limiter.SetLimitAt(now, 0.001)
	b.limiter.ReserveN(now, budgetBurst)
	slots := map[time.Duration]bool{}
	for i := range 100 {
		name := federation.ServiceName{Namespace: "shop", Name: fmt.Sprint(i)}
		b.turns[name] = turn{written: now}
		wait := b.wait(name, 1, false, now)
		if wait > longestWait || wait != b.wait(name, 1, false, now) {
			t.Fatalf("it waits for %s, then for %s", wait, b.wait(name, 1, false, now))
		}
		slots[wait/(longestWait/10)] = true
	}
	if len(slots) != 10 {
		t.Errorf("they wait for %v tenths of the longest", slots)
	}
}

// TestOneSlowWriteChangesLittle: what one write takes is not what writes take.
func TestOneSlowWriteChangesLittle(t *testing.T) {
	b, now := newBudget(), time.Unix(0, 0)
	for range 100 {
		b.wrote(web, now, 4*time.Millisecond)
	}
	if b.wrote(web, now, time.Minute); b.typical > 20*time.Millisecond {
		t.Errorf("a write takes %s", b.typical)
	}
}

func TestHowSoonSlicesAreWritten(t *testing.T) {
	slice := func(name string, endpoints ...string) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{}
		s.Name, s.Labels, s.Ports = name, map[string]string{"a": "b"}, []discoveryv1.EndpointPort{{Port: new(int32(8080))}}
		for _, e := range endpoints {
			address, unready := strings.CutPrefix(e, "-")
			endpoint := discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: new(!unready)}}
			if address, open := strings.CutPrefix(e, "?"); open { // which means that it is ready
				endpoint = discoveryv1.Endpoint{Addresses: []string{address}}
			}
			s.Endpoints = append(s.Endpoints, endpoint)
		}
		return s
	}
	again := func(s ...*discoveryv1.EndpointSlice) (changes []Change) {
		for _, s := range s {
			changes = append(changes, Change{Verb: Apply, Object: s})
		}
		return changes
	}
	moved, marked := slice("s1", "a", "b"), slice("s1", "a", "b")
	moved.Ports, marked.Labels = nil, map[string]string{"a": "c"}
	now := Current{Slices: []*discoveryv1.EndpointSlice{slice("s1", "a", "b"), slice("s2", "c"), slice("s3", "-d"), slice("s5", "?e", "?f")}}
	for _, c := range []struct {
		what    string
		changes []Change
		want    haste
	}{
		{"another address", again(slice("s1", "a", "x")), eventually},
		{"one more", again(slice("s1", "a", "b", "x")), eventually},
		{"of which nothing says that they are ready", again(slice("s5", "e", "x")), eventually},
		{"one fewer of these", again(slice("s5", "e")), soon},
		{"two slices", again(slice("s1", "a", "x"), slice("s2", "c", "y")), eventually},
		{"all are others", again(slice("s1", "x", "y")), soon},
		{"the only one is another", again(slice("s1", "a", "x"), slice("s2", "y")), soon},
		{"one that goes in one of two", again(slice("s1", "a"), slice("s2", "c", "x")), soon},
		{"one fewer", again(slice("s1", "a")), soon},
		{"one that is ready no more", again(slice("s1", "a", "-b")), soon},
		{"the first", again(slice("s3", "d")), soon},
		{"other ports", again(moved), atOnce},
		{"other labels", again(marked), atOnce},
		{"a new slice", []Change{{Verb: Apply, Object: slice("s4", "e"), First: true}}, atOnce},
		{"a new slice in the place of one that somebody deleted", []Change{{Verb: Apply, Object: slice("s1", "a", "b"), First: true}}, atOnce},
		{"a slice that goes", append(again(slice("s1", "a", "b", "c")), Change{Verb: Delete, Object: slice("s2", "c")}), atOnce},
	} {
		if got := hasteOf(now, c.changes); got != c.want {
			t.Errorf("%s: %d, want %d", c.what, got, c.want)
		}
	}
}

// TestWhatFailsIsLeftToTheQueue: it is tried again later each time, also while the budget is used up, and what is gone is
// forgotten.
func TestWhatFailsIsLeftToTheQueue(t *testing.T) {
	onRig(t, func(r *rig) {
		r.export(exported1)
		r.rounds(3, false)
		time.Sleep(longestWait)
		for i := range 4 * budgetBurst {
			name := federation.ServiceName{Namespace: "shop", Name: fmt.Sprint(i)}
			r.door.budget.wrote(name, time.Now(), time.Second)
			r.door.budget.wait(name, 1, false, time.Now())
		}
		r.refuse = refusing("apply EndpointSlice", errors.New("the API server is sick"))
		for i := range 5 {
			r.export(fmt.Sprintf("- cluster: a\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: [10.1.0.1, 10.2.0.%d]\n", i+1))
			if result, err := r.round(); err == nil || result.RequeueAfter > 0 {
				t.Errorf("try %d: result %v, error %v: the queue would not wait longer each time", i, result, err)
			}
		}
		r.refuse = nil
		r.export("[]")
		r.rounds(3, false)
		if _, kept := r.door.budget.turns[web]; kept {
			t.Error("what is gone is remembered")
		}
	})
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
