package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// epoch is when every play begins, by a clock that is right.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// world is one play.
type world struct {
	seed     uint64
	scene    Scene
	r        *rand.Rand
	now      time.Duration // since epoch
	queue    queue
	clusters []*cluster
	index    map[federation.ClusterID]int
	agents   []*agent
	net      network
	said     registry
	exports  int // that were made: each differs from all others
	trace    trace
	stats    Stats
	calm     bool          // nothing goes wrong any more
	calmed   time.Duration // since when
	failure  *Failure
}

// Failure is an invariant that broke.
type Failure struct {
	Seed      uint64
	Invariant string
	What      string
	At        time.Duration
}

// Error says what broke, and how to see it again.
func (f *Failure) Error() string {
	return fmt.Sprintf("seed %d, after %s: %s: %s\n  play it again: make sim SEED=%d\n  with a trace:  go run ./integration/sim/cmd/sim -seed %d -trace",
		f.Seed, f.At, f.Invariant, f.What, f.Seed, f.Seed)
}

// fail ends the play; only the first call counts.
func (w *world) fail(invariant, format string, args ...any) {
	if w.failure == nil {
		w.failure = &Failure{Seed: w.seed, Invariant: invariant, What: fmt.Sprintf(format, args...), At: w.now}
	}
}

// after lets something happen after d.
func (w *world) after(d time.Duration, do func()) { w.queue.add(w.now+d, do) }

// run plays until the virtual time is until, or something failed.
func (w *world) run(until time.Duration) {
	for w.failure == nil && len(w.queue.heap) > 0 && w.queue.heap[0].at <= until {
		e := w.queue.next()
		w.now = e.at
		e.do()
	}
	w.now = max(w.now, until)
}

// upTo returns a time from 0 up to d.
func (w *world) upTo(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(w.r.Int64N(int64(d)))
}

// between returns a time from least up to most.
func (w *world) between(least, most time.Duration) time.Duration { return least + w.upTo(most-least) }

// chance is true in n of 100 cases.
func (w *world) chance(n int) bool { return w.r.IntN(100) < n }

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

func newWorld(seed uint64, t trace) *world {
	r := rand.New(rand.NewPCG(seed, 0x68616e7361))
	w := &world{seed: seed, r: r, scene: draw(seed, r), index: map[federation.ClusterID]int{}, trace: t, stats: Stats{}}
	w.net = newNetwork(w.scene.Members + 1) // with a namesake of one
	w.said = newRegistry(w.scene.Members)
	for i := range w.scene.Members {
		w.addCluster(i)
	}
	w.addNamesake()
	for _, a := range w.agents {
		w.after(w.upTo(3*time.Second), func() { a.start(false) })
	}
	return w
}

func (w *world) addCluster(i int) {
	c := &cluster{w: w, i: i, id: federation.ClusterID(fmt.Sprintf("c-%03d", i)), truth: map[federation.ServiceName]*federation.Export{}, kept: keepings{}}
	c.uid, c.knows, c.policy, c.patience = "uid of "+string(c.id), make([]bool, w.scene.Members), w.anyPolicy(), w.anyPatience()
	w.clusters = append(w.clusters, c)
	w.index[c.id] = i
	for range w.r.IntN(w.scene.Services + 1) {
		e := w.anyExport(c.id, w.anyName())
		c.truth[e.Name] = e
	}
	agents := 1
	if w.chance(w.scene.Pairs) {
		agents = 2
	}
	for n := range agents {
		a := &agent{w: w, cluster: c, n: n, name: fmt.Sprintf("%s/%d", c.id, n)}
		c.agents = append(c.agents, a)
		w.agents = append(w.agents, a)
	}
}
