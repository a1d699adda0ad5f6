package exporter

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/hansa-mcs/hansa/federation"
)

// leadership is who leads, as the test says.
type leadership struct {
	mu      sync.Mutex
	leads   bool
	stint   uint64
	changed chan struct{}
	refuse  error // what TakeTerm fails with
	terms   []uint64
}

func newLeadership(leads bool) *leadership {
	return &leadership{leads: leads, stint: 1, changed: make(chan struct{})}
}

// set ends what was, and begins the next stint if others led meanwhile.
func (l *leadership) set(leads, others bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leads = leads; others {
		l.stint++
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *leadership) Lead(ctx context.Context) (context.Context, func(), uint64, error) {
	for {
		l.mu.Lock()
		leads, stint, changed := l.leads, l.stint, l.changed
		l.mu.Unlock()
		if leads {
			lead, end := context.WithCancel(ctx)
			go func() {
				defer end()
				select {
				case <-changed:
				case <-lead.Done():
				}
			}()
			return lead, end, stint, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, 0, ctx.Err()
		}
	}
}

func (l *leadership) TakeTerm(_ context.Context, atLeast uint64) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		return 0, l.refuse
	}
	l.terms = append(l.terms, max(atLeast, 1000))
	return l.terms[len(l.terms)-1], nil
}

// Who does not lead says and writes nothing; what changed meanwhile is said when it leads.
func TestAStandbyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		c.leadership.set(false, false)
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.reconcile()
		}()
		c.must(c.client.Delete(t.Context(), c.export()))
		synctest.Wait()
		select {
		case <-done:
			t.Error("reconciled without leading")
		default:
		}
		c.expect("frozen", true, nil)
		c.leadership.set(true, false)
		<-done
		if c.expect("thawed", false, nil); c.exporter.version().Term != 1000 {
			t.Errorf("version %s: want the same term as before", c.exporter.version())
		}
	})
}

// Each stint begins with a term of its own and the complete set, beyond what is known of another leader's.
func TestEachStintIsAnnounced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		store := c.exporter.Store
		c.leadership.set(false, false)
		store.Follow()
		other := federation.NewStore("own")
		other.Announce(5000, nil)
		if _, err := store.Apply(other.SeenBy(other.Self()).Against("own", store.Hashes("own"))); err != nil {
			t.Fatal(err)
		}
		c.expect("another leads, which exports nothing", false, nil)
		c.leadership.set(true, true)
		c.announced()
		if c.expect("leads again", true, nil); c.exporter.version() != (federation.Version{Term: 5001, Seq: 1}) {
			t.Errorf("version %s: want 5001.1", c.exporter.version())
		}
	})
}

// Without a term of its own a leader says nothing: it tries again.
func TestNothingIsSaidWithoutATerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.leadership.mu.Lock()
		c.leadership.refuse = errors.New("forbidden")
		c.leadership.mu.Unlock()
		c.leadership.set(true, true)
		time.Sleep(time.Minute)
		if v := c.exporter.version(); v.Term != 1000 {
			t.Errorf("version %s", v)
		}
		c.leadership.mu.Lock()
		c.leadership.refuse = nil
		c.leadership.mu.Unlock()
		time.Sleep(retryMost)
		if v := c.exporter.version(); v.Term != 1001 {
			t.Errorf("version %s: want another term", v)
		}
	})
}

// A greater term that a peer holds is outbid, once for each.
func TestAGreaterTermIsOutbid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		if err := c.exporter.Store.Contest(federation.Version{Term: 7000, Seq: 3}, time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * termPause)
		if v := c.exporter.version(); v != (federation.Version{Term: 7001, Seq: 1}) || len(c.leadership.terms) != 2 {
			t.Errorf("version %s after the terms %v", v, c.leadership.terms)
		}
	})
}

// What an agent began that leads no more is begun anew, and is no error.
func TestWhatWasBegunIsBegunAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.refuse = context.Canceled
		lead, done, err := c.exporter.lead(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		done()
		<-lead.Done()
		c.exporter.Lead = func(context.Context) (context.Context, func(), uint64, error) { return lead, func() {}, 1, nil }
		result, err := c.exporter.Reconcile(t.Context(), ctrl.Request{NamespacedName: webKey})
		if err != nil || result.RequeueAfter == 0 {
			t.Errorf("result %+v, error %v", result, err)
		}
	})
}

// A leader whose cache lacks what the API server has announces nothing until it has it.
func TestALeaderWaitsForItsCache(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, webService())
		c.reconcile()
		full := newCluster(t)
		other := c.export()
		other.Name, other.ResourceVersion, other.UID = "other", "", "uid-2"
		full.must(full.client.Create(t.Context(), other))
		c.server = full.client
		c.exporter.live = full.client
		before := c.exporter.version()
		c.leadership.set(true, true)
		time.Sleep(time.Minute)
		if v := c.exporter.version(); v != before {
			t.Errorf("announced at %s with a cache that is behind", v)
		}
		other.ResourceVersion = ""
		c.must(c.client.Create(t.Context(), other))
		time.Sleep(retryMost)
		if v := c.exporter.version(); v.Term <= before.Term {
			t.Errorf("version %s: want another term once the cache has all", v)
		}
	})
}
