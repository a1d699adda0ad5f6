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

// wish is whether a cluster is to leave, as the test says.
type wish struct {
	mu      sync.Mutex
	leave   bool
	changed chan struct{}
}

func (w *wish) now() (bool, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.leave, w.changed
}

func (w *wish) set(leave bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leave = leave
	close(w.changed)
	w.changed = make(chan struct{})
}

// leaver is a cluster that can leave, and exports shop/web.
func leaver(t *testing.T) (*cluster, *wish) {
	t.Helper()
	w := &wish{changed: make(chan struct{})}
	c := newCluster(t)
	c.must(c.client.Create(t.Context(), webService()))
	c.leaving = w.now
	c.start()
	c.reconcile()
	c.expect("a member", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"})
	return c, w
}

// turn lets the cluster leave or come back, and looks at shop/web as the exporter asks for.
func (c *cluster) turn(w *wish, leave bool) {
	c.t.Helper()
	w.set(leave)
	c.looks()
	c.reconcile()
}

// A cluster that leaves says so in its term, and begins another one when it comes back; its ServiceExports tell.
func TestAClusterLeavesAndComesBack(t *testing.T) {
	rule.Covers(t, "#31")
	synctest.Test(t, func(t *testing.T) {
		c, w := leaver(t)
		before := c.exporter.version()
		out := []string{"Valid=True/Valid@1", "Ready=False/Pending@1"}
		c.turn(w, true)
		c.expect("left", false, out)
		if v := c.exporter.version(); v.Term != before.Term || !c.exporter.Store.Left() {
			t.Errorf("left %t, at %s after %s", c.exporter.Store.Left(), v, before)
		}
		if got := meta.FindStatusCondition(c.export().Status.Conditions, string(mcsv1beta1.ServiceExportConditionReady)).Message; got != "this cluster has left the clusterset" {
			t.Errorf("Ready says %q", got)
		}
		writes := c.writes
		c.reconcile()
		c.expect("looked at again", false, out)
		if c.writes != writes {
			t.Errorf("%d writes that change nothing", c.writes-writes)
		}
		c.turn(w, false)
		c.expect("back", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"}, "Normal Exported announced; no other cluster has joined yet")
		if v := c.exporter.version(); v.Term <= before.Term || c.exporter.Store.Left() {
			t.Errorf("left %t, at %s: want another term than that of %s", c.exporter.Store.Left(), v, before)
		}
	})
}

// Neither another leader nor an agent that starts brings a cluster back.
func TestAClusterStaysOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, w := leaver(t)
		said := c.exporter.said(webName)
		c.turn(w, true)
		c.expect("left", false, nil)

		c.leadership.set(false, false)
		synctest.Wait()
		c.leadership.set(true, true)
		c.announced()
		c.reconcile()
		c.expect("in another stint", false, nil)

		c.start([]*federation.Export{said}...)
		c.looks()
		c.reconcile()
		c.expect("after a restart that remembers what was exported", false, nil)
		if !c.exporter.Store.Left() {
			t.Error("an agent that starts brings its cluster back")
		}
		c.turn(w, false)
		c.expect("back", true, nil, "Normal Exported announced; no other cluster has joined yet")
	})
}
