package kube

import (
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	// budgetShare is how much of the time of one connection may go into writes that can wait. An API server that takes
	// longer for each, as others keep it busy, is asked for fewer.
	budgetShare = 1.0 / 3
	// budgetBurst is how many such writes may come at once before the next has to wait.
	budgetBurst = 20
	// longestWait is the most that a write waits for since the one before it: as long as kube-proxy lets pass between two
	// updates of its rules, so that traffic follows no later.
	longestWait = time.Second
	// fastestWrite and slowestWrite bound what is believed of the time that a write takes.
	fastestWrite, slowestWrite = time.Millisecond, 250 * time.Millisecond
	// budgetWeight is that of the last write in the time that one takes.
	budgetWeight = 1.0 / 16
)

// budget puts off what is written of services that change again and again, so that several changes become one write.
// A service that rested for longestWait is written at once. What DNS and xDS say never waits for it.
type budget struct {
	mu      sync.Mutex
	typical time.Duration // what a write takes
	limiter *rate.Limiter
	turns   map[federation.ServiceName]turn
}

// turn is when a service was written last, and when it may be again; zero where that was not asked since.
type turn struct{ written, due time.Time }

func newBudget() *budget {
	return &budget{typical: fastestWrite, limiter: rate.NewLimiter(budgetShare/rate.Limit(fastestWrite.Seconds()), budgetBurst), turns: map[federation.ServiceName]turn{}}
}

// wait returns how long writes of a service that can wait have to, from now on. It keeps that place for the service
// until it is written.
func (b *budget) wait(name federation.ServiceName, writes int, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.turns[name]
	latest := t.written.Add(longestWait)
	if !ok || !now.Before(latest) {
		return 0
	}
	if t.due.IsZero() {
		place := b.limiter.ReserveN(now, min(writes, budgetBurst))
		if t.due = now.Add(place.DelayFrom(now)); t.due.After(latest) {
			place.CancelAt(now) // or a storm would leave a debt that others wait for when it is long over
			t.due = latest
		}
		b.turns[name] = t
	}
	return max(t.due.Sub(now), 0)
}

// wrote is told when something of a service was written, and how long that took. A write that failed is none: its
// service is tried again by the queue, later each time, and never waits here as well.
func (b *budget) wrote(name federation.ServiceName, now time.Time, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turns[name] = turn{written: now}
	took = min(max(took, fastestWrite), slowestWrite)
	b.typical += time.Duration(budgetWeight * float64(took-b.typical))
	b.limiter.SetLimitAt(now, budgetShare/rate.Limit(b.typical.Seconds()))
}

// forget is told of a service that is gone.
func (b *budget) forget(name federation.ServiceName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.turns, name)
}

// canWait reports whether changes do no more than write slices anew that keep what they are, and their clients somebody:
// labels and ports, as many endpoints that are ready, or more, and one of them where it was.
func canWait(now Current, changes []Change) bool {
	before := map[string]*discoveryv1.EndpointSlice{}
	for _, s := range now.Slices {
		before[s.Name] = s
	}
	for _, c := range changes {
		s, ok := c.Object.(*discoveryv1.EndpointSlice)
		if !ok || c.Verb != Apply || c.First || before[s.Name] == nil || !keeps(before[s.Name], s) {
			return false
		}
	}
	return len(changes) > 0
}

func keeps(before, after *discoveryv1.EndpointSlice) bool {
	was, is := ready(before), ready(after)
	return sameLabels(after.Labels, before.Labels) && samePorts(after.Ports, before.Ports) &&
		len(is) >= len(was) && slices.ContainsFunc(was, func(address string) bool { return slices.Contains(is, address) })
}

// ready returns the addresses of the endpoints that are.
func ready(s *discoveryv1.EndpointSlice) (list []string) {
	for i := range s.Endpoints {
		if e := &s.Endpoints[i]; ptr.Deref(e.Conditions.Ready, true) && len(e.Addresses) > 0 {
			list = append(list, e.Addresses[0])
		}
	}
	return list
}
