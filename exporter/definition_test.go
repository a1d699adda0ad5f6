package exporter

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// What went with its CRD stays for two minutes from when the CRD is there again; what was deleted does not.
func TestOnlyWhatIsOlderThanItsCRDStays(t *testing.T) {
	rule.Covers(t, "E4", "I12")
	now := time.Unix(1_000_000_000, 0)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	for _, c := range []struct {
		what           string
		created, since time.Time
		want           time.Duration
	}{
		{"of this CRD", ago(time.Hour), ago(24 * time.Hour), 0},
		{"of this CRD, which is new", ago(time.Second), ago(time.Minute), 0},
		{"of the second in which the CRD was made", ago(time.Minute), ago(time.Minute), time.Minute},
		{"of the CRD before, which is long ago", ago(24 * time.Hour), ago(time.Hour), 0},
		{"of the CRD before, at once", ago(time.Hour), now, 2 * time.Minute},
		{"of the CRD before", ago(time.Hour), ago(90 * time.Second), 30 * time.Second},
		{"almost over", ago(time.Hour), ago(2*time.Minute - time.Nanosecond), time.Nanosecond},
		{"over", ago(time.Hour), ago(2 * time.Minute), 0},
		{"by a clock that is behind", ago(time.Hour), ago(-time.Hour), 2 * time.Minute},
	} {
		if got := grace(c.created, c.since, now, false); got != c.want {
			t.Errorf("%s: stays for %s, want %s", c.what, got, c.want)
		}
		if got := grace(c.created, c.since, now, true); c.created.Equal(c.since) && got != 0 || !c.created.Equal(c.since) && got != c.want {
			t.Errorf("%s, which was met: stays for %s", c.what, got)
		}
	}
}

// looks waits until web is looked at again, and returns how long that took.
func (c *cluster) looks() time.Duration {
	c.t.Helper()
	began := time.Now()
	if e := <-c.exporter.again; e.Object != webName {
		c.t.Errorf("looked again at %s", e.Object)
	}
	return time.Since(began)
}

// Design, section 2, rule 6: a CRD that is deleted takes all ServiceExports with it, and withdraws nothing; what
// is missing still when it is back for a while was withdrawn.
func TestALostDefinitionWithdrawsNothing(t *testing.T) {
	rule.Covers(t, "I12")
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		synctest.Wait() // nothing is held yet
		c.reconcile()
		c.since = time.Time{}
		c.must(c.client.Delete(t.Context(), c.export()))
		if after := c.reconcile(); after != 0 {
			t.Errorf("without its CRD it is looked at again after %s", after)
		}
		c.expect("with its CRD", true, nil)

		time.Sleep(time.Hour)
		c.returned <- struct{}{}
		time.Sleep(time.Minute)
		c.since = time.Now()
		c.returned <- struct{}{} // it went and came once more
		if took := c.looks(); took != 2*time.Minute {
			t.Errorf("looked again after %s, want 2m", took)
		}
		c.since = c.since.Add(time.Second) // by the API server's clock
		if after := c.reconcile(); after != time.Second {
			t.Errorf("looked at again after %s, want the second that is left", after)
		}
		c.expect("almost as long", true, nil)
		time.Sleep(time.Second)
		c.reconcile()
		c.expect("the CRD alone is back", false, nil)
	})
}

// A CRD that is back before it is known to have gone, as when a watch was interrupted: the ServiceExport that
// lacks is older than the CRD, so nobody deleted it. One that was made since can be.
func TestAReplacedDefinitionWithdrawsNothingAtOnce(t *testing.T) {
	rule.Covers(t, "E4", "I12")
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		export := c.export()
		c.must(c.client.Delete(t.Context(), export))
		c.since = time.Now()
		time.Sleep(time.Minute)
		if after := c.reconcile(); after != time.Minute {
			t.Errorf("looked at again after %s, want what is left of two minutes", after)
		}
		c.expect("with its CRD", true, nil)

		export.ResourceVersion, export.CreationTimestamp = "", metav1.Now()
		c.must(c.client.Create(t.Context(), export))
		c.reconcile()
		c.expect("applied again", true, []string{"Valid=True/Valid@1", "Ready=True/Exported@1"})
		c.must(c.client.Delete(t.Context(), export))
		c.reconcile()
		c.expect("deleted", false, nil)
	})
}

// webExport is what was said of shop/web at created.
func webExport(created time.Time) *federation.Export {
	e := &federation.Export{
		Cluster: "own", Name: webName, Created: created, Type: federation.ClusterSetIP, SessionAffinity: "None",
		Ports: []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 80}},
	}
	e.Normalize()
	return e
}

// An agent that starts soon after the CRD was made anew says what it said before, although there are no
// ServiceExports yet, and looks at it again.
func TestARestartWithdrawsOnlyWhatWasDeleted(t *testing.T) {
	rule.Covers(t, "E4", "I12", "#43")
	for what, c := range map[string]struct {
		age, crdAge time.Duration // of what was said, and of the CRD; 0 if there is none
		mute        error
		stays       bool
		asked       int
	}{
		"a first start with a new CRD":              {crdAge: time.Second},
		"a first start, and the CRD goes":           {},
		"deleted meanwhile":                         {age: time.Hour, crdAge: 24 * time.Hour, asked: 1},
		"deleted meanwhile, of a new CRD":           {age: time.Second, crdAge: time.Minute, asked: 1},
		"the CRD is new":                            {age: time.Hour, crdAge: time.Minute, stays: true, asked: 1},
		"the CRD is back for long":                  {age: time.Hour, crdAge: 2 * time.Minute, asked: 1},
		"the CRD is about to go":                    {age: time.Hour, stays: true, asked: 1},
		"the API server says nothing about the CRD": {age: time.Hour, crdAge: 24 * time.Hour, mute: errors.New("busy"), stays: true, asked: 1},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newCluster(t, webService())
				cluster.must(cluster.client.Delete(t.Context(), cluster.export()))
				cluster.mute, cluster.since = c.mute, time.Time{}
				if c.crdAge > 0 {
					cluster.since = time.Now().Add(-c.crdAge)
				}
				var before []*federation.Export
				if c.age > 0 {
					before = append(before, webExport(time.Now().Add(-c.age)))
				}
				cluster.start(before...)
				cluster.expect("announced", c.stays, nil)
				if len(cluster.asked) != c.asked {
					t.Errorf("asked about the CRD %d times, want %d", len(cluster.asked), c.asked)
				}
				if c.stays {
					cluster.looks()
				}
				synctest.Wait()
				select {
				case e := <-cluster.exporter.again:
					t.Errorf("looked again at %s", e.Object)
				default:
				}
			})
		})
	}
}

// What was kept at a restart is withdrawn when the CRD is there for two minutes, but not if a ServiceExport came.
func TestWhatARestartKeptIsLookedAtAgain(t *testing.T) {
	rule.Covers(t, "E4", "I12")
	for _, back := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := newCluster(t, webService())
			export := c.export()
			c.must(c.client.Delete(t.Context(), export))
			c.since = time.Now()
			time.Sleep(30 * time.Second)
			c.start(webExport(export.CreationTimestamp.Time))
			c.looks()
			after := c.reconcile()
			if after != 90*time.Second {
				t.Errorf("looked at again after %s, want what is left of two minutes", after)
			}
			c.expect("soon after the CRD", true, nil)
			if back {
				export.ResourceVersion, export.CreationTimestamp = "", metav1.Now()
				c.must(c.client.Create(t.Context(), export))
			}
			time.Sleep(after)
			c.reconcile()
			c.expect("when the pause is over", back, nil)
		})
	}
}

// A CRD that goes deletes its objects first, and a finalizer may keep them from that: nothing is withdrawn.
func TestARestartWhileTheCRDGoes(t *testing.T) {
	rule.Covers(t, "I12")
	c := newCluster(t, webService())
	export := c.export()
	export.Finalizers = []string{"example.org/keep"}
	c.must(c.client.Update(t.Context(), export))
	c.must(c.client.Delete(t.Context(), export))
	c.since = time.Time{}
	c.start(webExport(export.CreationTimestamp.Time))
	c.expect("announced", true, nil)
	c.looks()
	c.reconcile()
	if c.expect("looked at again", true, nil); c.writes != 0 {
		t.Errorf("%d writes: want none while nothing is withdrawn", c.writes)
	}
}

// What there is a ServiceExport of needs no question at a restart, and while nothing is exported none is asked.
func TestNobodyAsksAboutTheCRDForNothing(t *testing.T) {
	c := newCluster(t, webService())
	c.start(webExport(c.export().CreationTimestamp.Time))
	c.reconcile()
	c.expect("restarted", true, nil)
	c.must(c.client.Delete(t.Context(), webService()))
	c.reconcile()
	c.must(c.client.Delete(t.Context(), c.export()))
	if after := c.reconcile(); after != 0 || len(c.asked) != 0 {
		t.Errorf("asked %d times, and looks again after %s", len(c.asked), after)
	}
}

// A question is as of when the deletion was seen; one that was not answered is asked again, as of then.
func TestTheCRDIsAskedAboutWhatWasSeenBefore(t *testing.T) {
	rule.Covers(t, "E4")
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		c.must(c.client.Delete(t.Context(), c.export()))
		c.mute = errors.New("busy")
		failed := time.Now()
		if _, err := c.exporter.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey}); !errors.Is(err, c.mute) {
			t.Errorf("error %v, want that of the API server", err)
		}
		c.expect("no answer", true, nil)
		time.Sleep(time.Second)
		c.mute = nil
		again := time.Now()
		if after := c.reconcile(); after != 0 {
			t.Errorf("looked at again after %s", after)
		}
		c.expect("answered", false, nil)
		if len(c.asked) != 2 || !c.asked[0].Equal(failed) || !c.asked[1].Equal(again) {
			t.Errorf("asked as of %v, want %s and %s", c.asked, failed, again)
		}
	})
}

// What is exported again is held no longer, and what is held is taken once.
func TestWhatIsHeldIsTakenOnce(t *testing.T) {
	m := newMissing()
	if !m.hold(webName) {
		t.Error("the first that is held is not the only one")
	}
	if names := m.take(); len(names) != 1 || len(m.take()) != 0 {
		t.Errorf("held are %v", names)
	}
	m.hold(webName)
	if m.forget(webName); len(m.take()) != 0 {
		t.Error("what has a ServiceExport again is held")
	}
}
