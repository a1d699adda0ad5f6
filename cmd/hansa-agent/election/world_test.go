package election

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// world is an API server in memory with agents, in a bubble whose clock jumps to the next event.
type world struct {
	*testing.T
	memory *memory
	agents []*agent
	writer atomic.Pointer[string] // the agent that is writing
}

// agent is one of them. It always writes when it may.
type agent struct {
	*Election
	world *world
	name  string
	wire  *wire
	log   *words
	stop  func() // returns when Start has
}

// inWorld runs a test in a new world, and stops its agents.
func inWorld(t *testing.T, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, memory: newMemory()}
		defer func() {
			for _, a := range w.agents {
				a.stop()
			}
		}()
		test(w)
	})
}

// start starts an agent that reaches the API server through a wire, which may be nil for a sound one.
func (w *world) start(name string, over *wire) *agent {
	w.Helper()
	if over == nil {
		over = &wire{}
	}
	over.memory = w.memory
	a := &agent{world: w, name: name, wire: over, log: &words{}}
	var err error
	a.Election, err = New(Config{
		Client: over, Namespace: "hansa-system", Name: "hansa-agent", Identity: a.identity(),
		Log: slog.New(slog.NewTextHandler(a.log, nil)),
	})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := a.Start(ctx); err != nil {
			w.Error(err)
		}
	})
	group.Go(func() { a.write(ctx) })
	a.stop = func() { cancel(); group.Wait() }
	w.agents = append(w.agents, a)
	synctest.Wait()
	return a
}

func (a *agent) identity() Identity { return Identity{a.name, a.name + ".example:7946"} }

// write leads whenever it can, and fails the test if somebody else does too.
func (a *agent) write(ctx context.Context) {
	for {
		lead, done, _, err := a.Lead(ctx)
		if err != nil {
			return
		}
		if !a.world.writer.CompareAndSwap(nil, &a.name) {
			a.world.Errorf("%s writes while %s does", a.name, *a.world.writer.Load())
		}
		<-lead.Done()
		a.world.writer.CompareAndSwap(&a.name, nil)
		done()
	}
}

// wants fails the test unless the agent stands so.
func (a *agent) wants(leading bool, stint uint64, leader Identity) {
	a.world.Helper()
	synctest.Wait()
	s := a.Now()
	if s.Leading != leading || s.Stint != stint || s.Leader != leader {
		a.world.Fatalf("%s stands at %+v, want leading %v in stint %d, leader %v; the log:\n%s", a.name, s, leading, stint, leader, a.log)
	}
	if writer := a.world.writer.Load(); leading != (writer != nil && *writer == a.name) {
		a.world.Fatalf("%s leads: %v, but the writer is %v", a.name, leading, writer)
	}
}

// awaits waits until the agent leads, and returns how long that took.
func (a *agent) awaits() time.Duration {
	a.world.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	_, done, _, err := a.Lead(ctx)
	if err != nil {
		a.world.Fatalf("%s does not lead; the log:\n%s", a.name, a.log)
	}
	done()
	synctest.Wait()
	return time.Since(began)
}

// kill ends an agent as SIGKILL does: nothing of it reaches the API server any more.
func (a *agent) kill() {
	a.wire.set(fails, nil)
	a.stop()
}

// cut keeps the agent from the API server, mend ends that.
func (a *agent) cut(how func(context.Context, string) error) {
	a.wire.set(how, nil)
	a.wire.eachWatch(breaks)
}

func (a *agent) mend() { a.wire.set(nil, nil) }

// What a wire does to requests.

func fails(context.Context, string) error { return errors.New("connection refused") }

func hangs(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// only does something to requests of some verbs.
func only(how func(context.Context, string) error, verbs ...string) func(context.Context, string) error {
	return func(ctx context.Context, verb string) error {
		if slices.Contains(verbs, verb) {
			return how(ctx, verb)
		}
		return nil
	}
}

func forbids(_ context.Context, verb string) error {
	return apierrors.NewForbidden(leases, "hansa-agent", errors.New("cannot "+verb))
}

// holds is a hand that changes the holder.
func holds(text string) func(*coordinationv1.Lease) *coordinationv1.Lease {
	return func(l *coordinationv1.Lease) *coordinationv1.Lease {
		l.Spec.HolderIdentity = &text
		return l
	}
}

func deleted(*coordinationv1.Lease) *coordinationv1.Lease { return nil }

// words is a log.
type words struct {
	mu      sync.Mutex
	text    bytes.Buffer
	waiting chan struct{} // closes with the next line
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting != nil {
		close(w.waiting)
		w.waiting = nil
	}
	return w.text.Write(p)
}

// awaits waits until the log says something.
func (w *words) awaits(ctx context.Context, what string) error {
	for {
		w.mu.Lock()
		if w.waiting == nil {
			w.waiting = make(chan struct{})
		}
		said, more := strings.Contains(w.text.String(), what), w.waiting
		w.mu.Unlock()
		if said {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("the log does not say %q:\n%s", what, w)
		}
	}
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// count is how often the log says something.
func (w *words) count(what string) int { return strings.Count(w.String(), what) }
