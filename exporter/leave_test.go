package exporter

import (
	"sync"
	"testing"
	"testing/synctest"

	"k8s.io/apimachinery/pkg/api/meta"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// wish is what a test wants of a cluster: how it is to stand, or whether it is drained.
type wish[T any] struct {
	mu      sync.Mutex
	is      T
	changed chan struct{}
}

func newWish[T any]() *wish[T] { return &wish[T]{changed: make(chan struct{})} }

func (w *wish[T]) now() (T, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.is, w.changed
}

func (w *wish[T]) set(is T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.is = is
	close(w.changed)
	w.changed = make(chan struct{})
}

// leaver is a cluster that can leave, and exports shop/web.
func leaver(t *testing.T) (*cluster, *wish[Stance]) {
	t.Helper()
	w := newWish[Stance]()
	c := newCluster(t)
	c.must(c.client.Create(t.Context(), webService()))
	c.stance = w.now
	c.start()
	c.reconcile()
	c.expect("a member", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"})
	return c, w
}

// turn lets the cluster stand otherwise, and looks at shop/web as the exporter asks for.
func (c *cluster) turn(w *wish[Stance], stance Stance) {
	c.t.Helper()
	w.set(stance)
	c.looks()
	c.reconcile()
}

// quiet are the stances in which nothing is exported, with how the Store and ServiceExports tell.
var quiet = []struct {
	stance  Stance
	is      func(*federation.Store) bool
	message string
}{
	{Leaves, (*federation.Store).Left, "this cluster has left the clusterset"},
	{Withholds, (*federation.Store).Silent, "MCSServiceDiscovery is off in this cluster: nothing is announced"},
}

// A cluster that leaves, or withholds what it exports, does so in its term, and begins another one when it speaks again;
// its ServiceExports tell.
func TestAClusterFallsQuietAndSpeaksAgain(t *testing.T) {
	rule.Covers(t, "#31")
	for _, q := range quiet {
		synctest.Test(t, func(t *testing.T) {
			c, w := leaver(t)
			before := c.exporter.version()
			out := []string{"Valid=True/Valid@1", "Ready=False/Pending@1"}
			c.turn(w, q.stance)
			c.expect("quiet", false, out)
			if v := c.exporter.version(); v.Term != before.Term || !q.is(c.exporter.Store) {
				t.Errorf("quiet %t, at %s after %s", q.is(c.exporter.Store), v, before)
			}
			if got := meta.FindStatusCondition(c.export().Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady)).Message; got != q.message {
				t.Errorf("Ready says %q", got)
			}
			writes := c.writes
			c.reconcile()
			c.expect("looked at again", false, out)
			if c.writes != writes {
				t.Errorf("%d writes that change nothing", c.writes-writes)
			}
			c.turn(w, Speaks)
			c.expect("back", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"}, "Normal Exported announced; no other cluster has joined yet")
			if v := c.exporter.version(); v.Term <= before.Term || q.is(c.exporter.Store) {
				t.Errorf("quiet %t, at %s: want another term than that of %s", q.is(c.exporter.Store), v, before)
			}
		})
	}
}

// Neither another leader nor an agent that starts makes a quiet cluster speak.
func TestAClusterStaysQuiet(t *testing.T) {
	for _, q := range quiet {
		synctest.Test(t, func(t *testing.T) {
			c, w := leaver(t)
			said := c.exporter.said(webName)
			c.turn(w, q.stance)
			c.expect("quiet", false, nil)

			c.leadership.set(false, false)
			synctest.Wait()
			c.leadership.set(true, true)
			c.announced()
			c.reconcile()
			c.expect("in another stint", false, nil)
			if v := c.exporter.version(); q.stance == Withholds && v.Seq != 1 {
				t.Errorf("at %s: it began with something, which it took back", v)
			}

			c.start([]*federation.Export{said}...)
			c.looks()
			c.reconcile()
			c.expect("after a restart that remembers what was exported", false, nil)
			if !q.is(c.exporter.Store) {
				t.Error("an agent that starts makes its cluster speak")
			}
			c.turn(w, Speaks)
			c.expect("back", true, nil, "Normal Exported announced; no other cluster has joined yet")
		})
	}
}

// A cluster that withholds may leave, and one that is back from there may withhold.
func TestAClusterLeavesWhileItWithholds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := leaver(t)
		for _, step := range []struct {
			stance       Stance
			left, silent bool
		}{{Withholds, false, true}, {Leaves, true, true}, {Withholds, false, true}, {Speaks, false, false}, {Leaves, true, false}} {
			c.turn(w, step.stance)
			if s := c.exporter.Store; s.Left() != step.left || s.Silent() != step.silent {
				t.Errorf("stance %d: left %t, silent %t", step.stance, s.Left(), s.Silent())
			}
		}
	})
}
