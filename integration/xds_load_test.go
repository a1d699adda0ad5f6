package integration

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// xdsUser is an application in west that knows web by xDS.
type xdsUser interface {
	// call returns the name of the backend that answered one request, or an error when that failed. It does not try
	// again, and does not wait for endpoints.
	call(ctx context.Context) (string, error)
}

// callFor is how long a request may take.
const callFor = 20 * time.Second

// xdsLoad is a user that calls all along.
type xdsLoad struct {
	t *testing.T
	*calls
}

// calls are those of a user.
type calls struct {
	name string
	stop func()
	done sync.WaitGroup

	mu      sync.Mutex
	answers []string // "" where the call failed
	failed  []string // how the first calls did that
	next    chan struct{}
}

// mostFailures bounds what a load says of calls that failed.
const mostFailures = 10

// loadBy begins to call as a user, whom the name tells apart. It ends with the test at the latest.
func loadBy(t *testing.T, name string, user xdsUser) *xdsLoad {
	ctx, stop := context.WithCancel(t.Context())
	l := &xdsLoad{t, &calls{name: name, stop: stop, next: make(chan struct{})}}
	l.done.Go(func() { l.run(ctx, user) })
	t.Cleanup(l.done.Wait)
	t.Cleanup(stop)
	return l
}

// in returns the same load, which tells a subtest what it finds.
func (l *xdsLoad) in(t *testing.T) *xdsLoad { return &xdsLoad{t, l.calls} }

// run calls until ctx ends, and leaves the machine some time for others.
func (c *calls) run(ctx context.Context, user xdsUser) {
	ticks := time.NewTicker(tick)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return
		}
		limit, cancel := context.WithTimeout(ctx, callFor)
		began := time.Now()
		answer, err := user.call(limit)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.note(answer, err, began)
	}
}

func (c *calls) note(answer string, err error, began time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		answer = ""
		if len(c.failed) < mostFailures {
			c.failed = append(c.failed, fmt.Sprintf("at %s, for %s: %v",
				began.Format("15:04:05.000"), time.Since(began).Round(time.Millisecond), err))
		}
	}
	c.answers = append(c.answers, answer)
	close(c.next)
	c.next = make(chan struct{})
}

// heard returns the answers from the nth on, and what closes when there are more.
func (c *calls) heard(n int) ([]string, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.answers[n:]), c.next
}

// settled is how many calls in a row, for each backend, show by whom they are answered.
const settled = 20

// settle waits until just these backends answer, each of them.
func (l *xdsLoad) settle(names ...string) {
	l.t.Helper()
	l.await(fmt.Sprintf("just %v", names), func(answers []string) bool {
		return len(answers) >= settled*len(names) && slices.Equal(distinct(answers[len(answers)-settled*len(names):]), slices.Sorted(slices.Values(names)))
	})
}

// settleOnOne waits until always the same of these backends answers, and returns which.
func (l *xdsLoad) settleOnOne(names ...string) (one string) {
	l.t.Helper()
	l.await(fmt.Sprintf("always the same of %v", names), func(answers []string) bool {
		if len(answers) < settled*len(names) {
			return false
		}
		some := distinct(answers[len(answers)-settled*len(names):])
		one = some[0]
		return len(some) == 1 && slices.Contains(names, one)
	})
	return one
}

func distinct(answers []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(answers)))
}

// await waits until the answers from now on are as wanted.
func (l *xdsLoad) await(what string, wanted func(answers []string) bool) {
	l.t.Helper()
	began := time.Now()
	limit := time.After(patience)
	before, _ := l.heard(0)
	for {
		answers, next := l.heard(len(before))
		if wanted(answers) {
			l.t.Logf("%s: answered by %s within %s", l.name, what, time.Since(began).Round(time.Millisecond))
			return
		}
		select {
		case <-next:
		case <-limit:
			l.t.Fatalf("%s: waiting for answers by %s; the last ones were by %v; failed calls: %v", l.name, what, answers[max(0, len(answers)-40):], l.failures())
		}
	}
}

// goOn waits until so many more calls were made.
func (l *xdsLoad) goOn(calls int) {
	l.t.Helper()
	l.await(fmt.Sprintf("%d of anybody", calls), func(answers []string) bool { return len(answers) >= calls })
}

func (c *calls) failures() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failed)
}

// unfailing checks that no call has failed yet.
func (l *xdsLoad) unfailing() {
	l.t.Helper()
	if failed := l.failures(); len(failed) > 0 {
		all, _ := l.heard(0)
		l.t.Errorf("%s: of %d calls some failed, first\n%s", l.name, len(all), strings.Join(failed, "\n"))
	}
}

// end ends the load, of which no call may have failed.
func (l *xdsLoad) end() {
	l.t.Helper()
	l.stop()
	l.done.Wait()
	l.unfailing()
}
