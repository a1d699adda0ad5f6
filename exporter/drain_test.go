package exporter

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// A cluster that is drained says so with each service, in the term that it has, and takes it back; no status changes.
func TestADrainIsSaidWithEachService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, d := newCluster(t), newWish[federation.Drain]()
		c.must(c.client.Create(t.Context(), webService()))
		c.drain = d.now
		c.start()
		c.reconcile()
		before, writes := c.exporter.version(), c.writes
		for _, drain := range []federation.Drain{{Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Over: time.Minute}, {}} {
			d.set(drain)
			c.looks()
			c.reconcile()
			if got := c.exporter.said(webName).Drain; got != drain {
				t.Errorf("it says %s, want %s", got, drain)
			}
		}
		if after := c.exporter.version(); after.Term != before.Term || after.Seq != before.Seq+2 || c.writes != writes {
			t.Errorf("at %s after %s, with %d writes", after, before, c.writes-writes)
		}
	})
}
