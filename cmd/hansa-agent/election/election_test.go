package election

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

var nobody Identity

func TestOneOfTwoLeads(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		a.wants(true, 1, a.identity())
		b := w.start("b", nil)
		time.Sleep(time.Hour)
		a.wants(true, 1, a.identity())
		b.wants(false, 0, a.identity())
		if got := w.memory.read().Spec; *got.HolderIdentity != "a/a.example:7946" || *got.LeaseTransitions != 0 {
			w.Errorf("the Lease says %v", got)
		}
		if n := a.wire.count(); n["update"] != 3600 || n["create"] != 1 || n["list"] != 1 || n["watch"] != 1 || n["get"] != 0 {
			w.Errorf("in an hour the leader sent %v, want a renewal each second", n)
		}
		if n := b.wire.count(); n["update"]+n["create"]+n["get"] != 0 || n["list"] != 1 || n["watch"] != 1 {
			w.Errorf("in an hour the follower sent %v, want one watch", n)
		}
	})
}

func TestOfManyThatBeginTogetherOneLeads(t *testing.T) {
	inWorld(t, func(w *world) {
		slow := func(context.Context, string) error { time.Sleep(100 * time.Millisecond); return nil }
		var all []*agent
		for _, name := range []string{"a", "b", "c", "d"} {
			all = append(all, w.start(name, &wire{before: slow}))
		}
		time.Sleep(time.Minute)
		leader, err := ParseIdentity(holder(w.memory.read()))
		if err != nil {
			w.Fatal(err)
		}
		for _, a := range all {
			stint := uint64(0)
			if a.identity() == leader {
				stint = 1
			}
			a.wants(stint == 1, stint, leader)
		}
	})
}

func TestALeaseThatIsReleasedIsTakenAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(90 * time.Second)
		a.stop()
		if took := b.awaits(); took != 0 {
			w.Errorf("took %v, want no time at all", took)
		}
		b.wants(true, 1, b.identity())
		a.wants(false, 1, nobody)
		if got := *w.memory.read().Spec.LeaseTransitions; got != 1 {
			w.Errorf("%d transitions, want 1", got)
		}
		c := w.start("c", nil)
		b.stop()
		c.wants(true, 1, c.identity())
		c.stop()
		l := w.memory.read()
		if holder(l) != "" || *l.Spec.LeaseTransitions != 2 || *l.Spec.LeaseDurationSeconds != 1 {
			w.Errorf("in the end the Lease says %v, want no holder", l.Spec)
		}
	})
}

func TestALeaderThatWasKilledIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(90*time.Second + 300*time.Millisecond)
		a.kill()
		if took := b.awaits(); took != DefaultDuration-300*time.Millisecond {
			w.Errorf("took %v, want what was left of the Lease", took)
		}
		b.wants(true, 1, b.identity())
	})
}

func TestALeaderThatCannotRenewFreezesAndThaws(t *testing.T) {
	for what, how := range map[string]func(context.Context, string) error{"refused": fails, "hanging": hangs} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.start("a", nil)
				time.Sleep(10*time.Second + time.Millisecond) // it renewed a millisecond ago
				lead, done, _, err := a.Lead(w.Context())
				if err != nil {
					w.Fatal(err)
				}
				a.cut(how)
				changed := a.Now().Changed
				time.Sleep(DefaultRenewWithin - 2*time.Millisecond)
				a.wants(true, 1, a.identity())
				if lead.Err() != nil {
					w.Error("the leader may write until it freezes")
				}
				time.Sleep(time.Millisecond)
				a.wants(false, 1, a.identity())
				<-changed
				if !errors.Is(context.Cause(lead), errNotLeading) {
					w.Errorf("the write goes on: %v", context.Cause(lead))
				}
				done()
				time.Sleep(15 * time.Minute)
				a.wants(false, 1, a.identity())
				a.mend()
				if took := a.awaits(); took > 2*DefaultRetry {
					w.Errorf("thawed after %v", took)
				}
				a.wants(true, 1, a.identity())
				if n := a.log.count("could not be renewed"); n != 16 || a.log.count("renewed the Lease again") != 1 || a.log.count("does not answer") != 1 {
					w.Errorf("want one outage, one thaw, and a word each minute of the freeze in the log:\n%s", a.log)
				}
			})
		})
	}
}

// A client that does not return, whatever its context says, delays nothing.
func TestTheFreezeWaitsForNoRequest(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		time.Sleep(10*time.Second + time.Millisecond)
		stuck, release := context.WithCancel(context.Background())
		a.wire.set(func(context.Context, string) error { <-stuck.Done(); return errors.New("at last") }, nil)
		time.Sleep(DefaultRenewWithin - 2*time.Millisecond)
		a.wants(true, 1, a.identity())
		time.Sleep(time.Millisecond)
		a.wants(false, 1, a.identity())
		a.mend()
		release()
		a.awaits()
		a.wants(true, 1, a.identity())
	})
}

// An API server that is away is nobody's fault: who led before leads after, in the same stint.
func TestAnOutageOfTheAPIServerChangesNoLeader(t *testing.T) {
	for what, how := range map[string]func(context.Context, string) error{"refused": fails, "hanging": hangs} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a, b := w.start("a", nil), w.start("b", nil)
				for range 20 {
					a.cut(how)
					b.cut(how)
					time.Sleep(rand.N(15 * time.Minute))
					a.mend()
					b.mend()
					a.awaits()
					time.Sleep(rand.N(time.Minute))
					a.wants(true, 1, a.identity())
					b.wants(false, 0, a.identity())
				}
				if n := b.log.count("does not answer"); n == 0 || n > 20 {
					w.Errorf("complained %d times of 20 outages", n)
				}
			})
		})
	}
}

// The same with a watch that seems to go on, as behind a firewall that forgot the connection.
func TestAnOutageThatNobodyIsToldOfChangesNoLeader(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(time.Minute)
		for _, x := range []*agent{a, b} {
			x.wire.set(hangs, nil)
			x.wire.eachWatch(deafens)
		}
		b.wire.count()
		time.Sleep(time.Hour)
		a.wants(false, 1, a.identity())
		if n := b.wire.count(); n["update"] != 1 || n["list"] < 1000 {
			w.Errorf("in an hour without answers the follower sent %v, want one attempt, and lists until it sees again", n)
		}
		a.mend()
		b.mend()
		a.awaits()
		time.Sleep(time.Minute)
		a.wants(true, 1, a.identity())
		b.wants(false, 0, a.identity())
	})
}

func TestALeaderThatDiesInAnOutageIsReplacedAfterIt(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		b.cut(hangs)
		a.kill()
		time.Sleep(time.Hour)
		b.mend()
		if took := b.awaits(); took > 7*time.Second {
			w.Errorf("took %v", took)
		}
		b.wants(true, 1, b.identity())
	})
}

func TestAFrozenLeaderFollowsWhoTookTheLease(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(time.Minute)
		a.cut(hangs)
		b.awaits()
		b.wants(true, 1, b.identity())
		a.wants(false, 1, a.identity())
		a.mend()
		time.Sleep(10 * time.Second)
		a.wants(false, 1, b.identity())
		b.stop()
		a.wants(true, 2, a.identity())
		if got := *w.memory.read().Spec.LeaseTransitions; got != 2 {
			w.Errorf("%d transitions, want 2", got)
		}
	})
}

// A follower whose watch is deaf thinks that the leader is silent; the version of the Lease keeps it from
// taking what is renewed, and it looks again.
func TestADeafWatchTakesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(time.Minute)
		b.wire.eachWatch(deafens)
		b.wire.count()
		time.Sleep(time.Minute)
		if n := b.wire.count(); n["update"] != 1 || n["get"] != 1 || n["list"] != 1 || n["watch"] != 1 {
			w.Errorf("sent %v, want one attempt and another watch", n)
		}
		b.wants(false, 0, a.identity())
		a.stop()
		b.wants(true, 1, b.identity())
	})
}

// Nobody can tell whether a write without an answer was done.
func TestAWriteWithoutAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", &wire{after: only(hangs, "create")})
		time.Sleep(10 * time.Second)
		a.wants(true, 1, a.identity())
		a.wire.set(nil, only(hangs, "update"))
		a.wire.count()
		time.Sleep(10 * time.Second)
		a.wants(false, 1, a.identity()) // what was done is not what it heard of
		a.mend()
		a.awaits()
		a.wants(true, 1, a.identity())
		if got := *w.memory.read().Spec.LeaseTransitions; got != 0 {
			w.Errorf("%d transitions, want none", got)
		}
	})
}

func TestWhatMayBeOursIsReleased(t *testing.T) {
	for what, later := range map[string]time.Duration{"before the request is given up": time.Second, "after": 3 * time.Second} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.start("a", nil)
				b := w.start("b", nil)
				b.wire.set(only(hangs, "list"), only(hangs, "update"))
				b.wire.eachWatch(deafens)
				a.stop()
				time.Sleep(DefaultDuration + later) // b tries in the end, and takes the Lease without hearing of it
				b.wants(false, 0, nobody)
				if l := w.memory.read(); holder(l) != "b/b.example:7946" {
					w.Fatalf("the Lease is %q's", holder(l))
				}
				b.mend()
				b.stop()
				if l := w.memory.read(); holder(l) != "" {
					w.Errorf("the Lease is left to %q", holder(l))
				}
				if b.log.count("released the Lease") != 1 {
					w.Errorf("the log:\n%s", b.log)
				}
			})
		})
	}
}

func TestOnlyOurLeaseIsReleased(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		a.wire.eachWatch(deafens) // it does not know when it ends
		w.memory.edit(holds("b"))
		a.stop()
		if l := w.memory.read(); holder(l) != "b" {
			w.Errorf("the Lease of b was left to %q", holder(l))
		}
		c := w.start("c", nil)
		c.stop()
		if l := w.memory.read(); holder(l) != "b" {
			w.Errorf("the Lease of b was left to %q", holder(l))
		}
		if n := c.wire.count(); n["get"]+n["update"]+n["create"] != 0 {
			w.Errorf("who never led sent %v at its end", n)
		}
	})
}

func TestWhatHandsDoToALease(t *testing.T) {
	for what, test := range map[string]struct {
		edit  func(*coordinationv1.Lease) *coordinationv1.Lease
		stint uint64 // a's afterwards
		after time.Duration
	}{
		"deleted":          {deleted, 2, time.Second},
		"freed":            {holds(""), 2, time.Second},
		"given to nobody":  {func(l *coordinationv1.Lease) *coordinationv1.Lease { l.Spec = coordinationv1.LeaseSpec{}; return l }, 2, time.Second},
		"given to another": {holds("b"), 2, 11 * time.Second},
		"given to garbage": {holds("\x00 ///"), 2, 11 * time.Second},
		"another address":  {holds("a/z.example:1"), 1, time.Second},
		"for years": {func(l *coordinationv1.Lease) *coordinationv1.Lease {
			l.Spec.LeaseDurationSeconds = new(int32(1 << 30))
			return holds("b")(l)
		}, 2, 61 * time.Second},
		"often": {func(l *coordinationv1.Lease) *coordinationv1.Lease {
			l.Spec.LeaseTransitions = new(int32(1<<31 - 1))
			return holds("")(l)
		}, 2, time.Second},
		"labelled": {func(l *coordinationv1.Lease) *coordinationv1.Lease {
			l.Labels = map[string]string{"team": "net"}
			return l
		}, 1, 0},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.start("a", nil)
				time.Sleep(time.Minute)
				w.memory.edit(test.edit)
				time.Sleep(test.after)
				a.wants(true, test.stint, a.identity())
				if n := a.wire.count(); n["update"] > 80 {
					w.Errorf("sent %v", n)
				}
			})
		})
	}
}

// A version that lasts is not needed for a Lease that comes back from a backup.
func TestAnEtcdRestoredFromABackup(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(time.Minute)
		old := w.memory.read()
		time.Sleep(time.Minute)
		a.cut(fails)
		b.cut(fails)
		time.Sleep(time.Minute)
		w.memory.mu.Lock()
		w.memory.version, w.memory.lease, w.memory.events = 50, setVersion(old, "50"), nil
		w.memory.mu.Unlock()
		a.mend()
		b.mend()
		a.awaits()
		time.Sleep(time.Minute)
		a.wants(true, 1, a.identity())
		b.wants(false, 0, a.identity())
		a.stop()
		b.wants(true, 1, b.identity())
	})
}

func TestStartIsCalledOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		if err := a.Start(w.Context()); err == nil {
			w.Error("started twice")
		}
		a.stop()
		if err := a.Start(w.Context()); err == nil {
			w.Error("started again after its end")
		}
		synctest.Wait()
	})
}
