package sim

import (
	"fmt"
	"io"
	"runtime/debug"
	"time"
)

// Result is what came of one seed.
type Result struct {
	Scene   Scene
	Stats   Stats
	Sum     uint64        // of all that happened
	Played  time.Duration // of virtual time
	Settled time.Duration // how long it took after the last fault until all agreed
	Failure *Failure      // nil for none
}

// Run plays one seed, and tells what happens to out unless that is nil.
func Run(seed uint64, out io.Writer) (result Result) {
	w := newWorld(seed, trace{out: out})
	defer func() {
		if p := recover(); p != nil {
			w.fail("nothing panics", "%v\n%s", p, debug.Stack())
			result = w.result(0)
		}
	}()
	w.after(w.upTo(5*time.Second), w.storm)
	w.run(w.scene.Storm)
	var took time.Duration
	w.vanish()
	if w.failure == nil {
		took = w.settle()
	}
	w.steady()
	return w.result(took)
}

func (w *world) result(settled time.Duration) Result {
	w.trace.add(w.queue.added)
	if w.trace.out != nil {
		w.trace.say(w.now, "%d clusters, %d agents, trace %016x", len(w.clusters), len(w.agents), w.trace.sum)
	}
	return Result{Scene: w.scene, Stats: w.stats, Sum: w.trace.sum, Played: w.now, Settled: settled, Failure: w.failure}
}

// String says in one line what was played.
func (r Result) String() string {
	return fmt.Sprintf("%d clusters, %s played, agreed after %s, trace %016x", r.Scene.Members, r.Played, r.Settled, r.Sum)
}
