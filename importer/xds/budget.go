package xds

import (
	"context"
	"runtime"
	"time"

	"golang.org/x/time/rate"
)

const (
	// pushRate is how many responses the server sends in a second for each core, in the long run. The time that they leave is
	// for what keeps this cluster in the clusterset: streams, gossip, and the writer of objects.
	pushRate = 10_000
	// pushBurst is of how many seconds the responses may come at once.
	pushBurst = 0.25
	// pushUnit is how many bytes cost as much as one response more.
	pushUnit = 16 << 10
)

// budget bounds what pushes to clients take, however many there are and however much changes: those that wait conflate what
// changes meanwhile. A change in a clusterset that is at rest never waits.
type budget struct{ limiter *rate.Limiter }

func newBudget() budget {
	perSecond := float64(pushRate * runtime.GOMAXPROCS(0))
	return budget{rate.NewLimiter(rate.Limit(perSecond), int(perSecond*pushBurst))}
}

// allow reports whether there is something left to spend, and takes it.
func (b budget) allow() bool { return b.limiter.Allow() }

// wait returns when there is something left to spend, or with the cause of the end of ctx.
func (b budget) wait(ctx context.Context) error { return b.limiter.Wait(ctx) }

// spend takes what a response of so many bytes costs beyond the first unit. It may leave a debt, for which the next wait.
func (b budget) spend(size int) {
	if units := min(size/pushUnit, b.limiter.Burst()); units > 0 {
		b.limiter.ReserveN(time.Now(), units)
	}
}
