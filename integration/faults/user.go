package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// pace is how often a user asks, by each door.
const pace = 50 * time.Millisecond

// door is a way by which a user finds endpoints.
type door int

const (
	byDNS door = iota
	byXDS
	bySlices
	doors
)

// String returns the name of the door, as in the table.
func (d door) String() string { return [...]string{"DNS", "xDS", "slices"}[d] }

// tally counts what a user asked by a door.
type tally struct{ asked, lost int }

// user is who uses one service in one cluster, by all doors. Each door keeps what it last said; a ticker makes a
// request of each of them, which is lost when there is nobody to send it to. All methods may be called from any
// goroutine.
type user struct {
	cluster, service string
	headless         bool
	agents           []*clusterset.Member // any of which may be asked

	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	says    [doors][]string // where a request may go, sorted
	heard   [doors]bool     // the door said something
	killed  map[string]bool // endpoints that do not answer
	forged  map[string]bool // endpoints that nobody should ever be told of
	counts  [doors]tally
	idle    bool     // nothing is counted
	gaps    []string // when requests were lost, for people
	pushes  int      // responses of xDS
	changed chan struct{}
}

func newUser(cluster, service string, headless bool, agents []*clusterset.Member) *user {
	return &user{
		cluster: cluster, service: service, headless: headless, agents: agents, idle: true,
		killed: map[string]bool{}, forged: map[string]bool{}, changed: make(chan struct{}),
	}
}

// start begins to ask, until leave.
func (u *user) start() {
	ctx, stop := context.WithCancel(context.Background())
	u.stop = stop
	for _, ask := range []func(context.Context){u.askDNS, u.followXDS, u.followSlices, u.count} {
		u.work.Go(func() { ask(ctx) })
	}
}

// leave ends it.
func (u *user) leave() {
	u.stop()
	u.work.Wait()
}

// host is the name of the service.
func (u *user) host() string { return u.service + "." + namespace + ".svc.clusterset.local" }

// say takes what a door says now.
func (u *user) say(d door, addresses []string) {
	slices.Sort(addresses)
	addresses = slices.Compact(addresses)
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.heard[d] && slices.Equal(u.says[d], addresses) {
		return
	}
	u.says[d], u.heard[d] = addresses, true
	for _, a := range addresses {
		if u.forged[a] {
			u.counts[d].lost++
			u.gaps = append(u.gaps, fmt.Sprintf("%s in %s by %s: %v, of which %s is forged", u.service, u.cluster, d, addresses, a))
		}
	}
	close(u.changed)
	u.changed = make(chan struct{})
}

// pushed counts a response of xDS.
func (u *user) pushed() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pushes++
}

// responses returns how many responses of xDS there were.
func (u *user) responses() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.pushes
}

// now returns what a door says, and a channel that closes when any says something else.
func (u *user) now(d door) ([]string, <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.says[d], u.changed
}

// kill says which endpoints answer no more.
func (u *user) kill(addresses ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range addresses {
		u.killed[a] = true
	}
}

// forge says which endpoints nobody should ever be told of: if the user is, requests are lost to them.
func (u *user) forge(addresses ...string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, a := range addresses {
		u.forged[a] = true
	}
}

// counting says whether requests count from now on.
func (u *user) counting(yes bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.idle = !yes
}

// count makes a request by xDS and by slices at the pace; DNS counts its own.
func (u *user) count(ctx context.Context) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, d := range []door{byXDS, bySlices} {
				u.request(d, nil)
			}
		case <-ctx.Done():
			return
		}
	}
}

// request counts one by a door; DNS gives the answer, err if there was none.
func (u *user) request(d door, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.idle {
		return
	}
	u.counts[d].asked++
	alive := slices.ContainsFunc(u.says[d], func(a string) bool { return !u.killed[a] })
	if err == nil && alive {
		return
	}
	u.counts[d].lost++
	if len(u.gaps) < 5 {
		u.gaps = append(u.gaps, fmt.Sprintf("%s in %s by %s: %v (%v)", u.service, u.cluster, d, u.says[d], err))
	}
}

// result returns what was counted, and examples of what was lost.
func (u *user) result() (counts [doors]tally, gaps []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.counts, slices.Clone(u.gaps)
}

// await waits until a door says just these addresses.
func (u *user) await(ctx context.Context, d door, want []string) error {
	want = slices.Sorted(slices.Values(want))
	for {
		got, changed := u.now(d)
		if slices.Equal(got, want) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s in %s by %s is %v, want %v: %w", u.service, u.cluster, d, got, want, ctx.Err())
		}
	}
}

// awaitAny waits until a door says anything to go to.
func (u *user) awaitAny(ctx context.Context, d door) error {
	for {
		got, changed := u.now(d)
		if len(got) > 0 {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%s in %s by %s has nothing: %w", u.service, u.cluster, d, ctx.Err())
		}
	}
}
