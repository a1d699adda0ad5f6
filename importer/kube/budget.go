package kube

import (
	"hash/maphash"
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
	budgetShare = 1.0 / 5
	// budgetBurst is how many such writes may come at once before the next has to wait.
	budgetBurst = 20
	// longestWait is the most that a write waits for since the one before it: as long as kube-proxy lets pass between two
	// updates of its rules, so that traffic follows no later.
	longestWait = time.Second
	// flapBurst is how many changes that take or bring clients' endpoints are written at once of a service that makes one
	// after the other, and flapEvery how long without one gives it another: a readiness probe fails no faster by its
	// defaults. The others wait like any change, or a service that comes and goes keeps the API server from the rest.
	flapBurst, flapEvery = 5, 5 * time.Second
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
	seed    maphash.Seed
}

// turn is when a service was written last, and when it may be again; zero where that was not asked since. It is at rest
// when it has flapBurst urgent writes again.
type turn struct{ written, due, rest time.Time }

func newBudget() *budget {
	return &budget{
		typical: fastestWrite, limiter: rate.NewLimiter(budgetShare/rate.Limit(fastestWrite.Seconds()), budgetBurst),
		turns: map[federation.ServiceName]turn{}, seed: maphash.MakeSeed(),
	}
}

// wait returns how long writes of a service that can wait have to, from now on. It keeps that place for the service
// until it is written. Urgent ones wait only if the service had too many of them.
func (b *budget) wait(name federation.ServiceName, writes int, urgent bool, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	t, ok := b.turns[name]
	if urgent {
		calm := t.calm(now)
		t.rest = t.flap(now)
		if b.turns[name] = t; calm {
			return 0
		}
	}
	latest := t.written.Add(longestWait)
	if !ok || !now.Before(latest) {
		return 0
	}
	if t.due.IsZero() {
		place := b.limiter.ReserveN(now, min(writes, budgetBurst))
		if t.due = now.Add(place.DelayFrom(now)); t.due.After(latest) {
			place.CancelAt(now) // or a storm would leave a debt that others wait for when it is long over
			if t.due = b.moment(name, now); t.due.After(latest) {
				t.due = latest
			}
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
	b.turns[name] = turn{written: now, rest: b.turns[name].rest}
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

// calm reports whether a service may have one more urgent write.
func (t turn) calm(now time.Time) bool { return t.rest.Sub(now) <= (flapBurst-1)*flapEvery }

// flap returns when a service that asks for an urgent write rests, whether it gets that or not.
func (t turn) flap(now time.Time) time.Time {
	if t.rest.Before(now) {
		return now.Add(flapEvery)
	}
	return now.Add(min(t.rest.Sub(now)+flapEvery, flapBurst*flapEvery))
}

// moment returns when the moment of a service is next, which comes once each longestWait. Each has another, so that services
// which all wait as long as they may are not written all together, and again so after that.
func (b *budget) moment(name federation.ServiceName, now time.Time) time.Time {
	own := time.Duration(maphash.Comparable(b.seed, name) % uint64(longestWait))
	return now.Add((own - time.Duration(now.UnixNano()%int64(longestWait)) + longestWait) % longestWait)
}

// haste is how soon changes of a service have to be written.
type haste int

const (
	// atOnce is what other objects, or other labels and ports, and what nobody has yet or any more ask for.
	atOnce haste = iota
	// soon is what slices written anew do that take an endpoint, or bring the first, or leave none of them where it was:
	// their clients may have nobody else.
	soon
	// eventually is what slices do that leave their clients as many ready endpoints, or more, and one of them where it was.
	eventually
)

// hasteOf returns the most that any of changes asks for.
func hasteOf(now Current, changes []Change) haste {
	before := map[string]*discoveryv1.EndpointSlice{}
	for _, s := range now.Slices {
		before[s.Name] = s
	}
	most := eventually
	for _, c := range changes {
		s, ok := c.Object.(*discoveryv1.EndpointSlice)
		if !ok || c.Verb != Apply || c.First || before[s.Name] == nil || !sameShape(before[s.Name], s) {
			return atOnce
		}
		if !keepsClients(before[s.Name], s) {
			most = soon
		}
	}
	return most
}

func sameShape(before, after *discoveryv1.EndpointSlice) bool {
	return sameLabels(after.Labels, before.Labels) && samePorts(after.Ports, before.Ports)
}

func keepsClients(before, after *discoveryv1.EndpointSlice) bool {
	was, is := ready(before), ready(after)
	return len(is) >= len(was) && slices.ContainsFunc(was, func(address string) bool { return slices.Contains(is, address) })
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
