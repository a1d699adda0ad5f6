package sim

import (
	"runtime"
	"sync"
	"time"
)

// Total is what came of many seeds.
type Total struct {
	Seeds, Members, Largest int
	Played, Slowest         time.Duration // Slowest is the longest that it took to agree
	Stats                   Stats
	Failures                []*Failure // by when they were found
}

// RunMany plays the seeds from first on, n of them, on all processors, each seed in one goroutine. It calls progress
// after each, one call at a time, and stops early once that returns false.
func RunMany(first, n uint64, progress func(*Total) bool) *Total {
	total := &Total{Stats: Stats{}}
	var mu sync.Mutex
	var players sync.WaitGroup
	next, end := first, first+n
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		next++
		return next - 1, next <= end
	}
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for seed, more := take(); more; seed, more = take() {
				r := Run(seed, nil)
				mu.Lock()
				total.add(r)
				if !progress(total) {
					next = end
				}
				mu.Unlock()
			}
		})
	}
	players.Wait()
	return total
}

func (t *Total) add(r Result) {
	t.Seeds++
	t.Members += r.Scene.Members
	t.Largest = max(t.Largest, r.Scene.Members)
	t.Played += r.Played
	t.Slowest = max(t.Slowest, r.Settled)
	t.Stats.Add(r.Stats)
	if r.Failure != nil {
		t.Failures = append(t.Failures, r.Failure)
	}
}
