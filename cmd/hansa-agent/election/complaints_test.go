package election

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Each cause is told once, with what to do about it, is asked about at a measured pace, and is over once it
// is over.
func TestWhatIsInTheWayIsToldOnce(t *testing.T) {
	terminating := func(context.Context, string) error {
		err := apierrors.NewForbidden(leases, "hansa-agent", errors.New("it is being terminated"))
		err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
		return err
	}
	unauthorized := func(context.Context, string) error { return apierrors.NewUnauthorized("who?") }
	invalid := func(context.Context, string) error {
		return apierrors.NewInvalid(coordinationv1.SchemeGroupVersion.WithKind("Lease").GroupKind(), "hansa-agent", nil)
	}
	busy := func(context.Context, string) error { return apierrors.NewTooManyRequests("busy", 1) }
	const rights = "Role in namespace hansa-system must allow get, list, watch and update on leases.coordination.k8s.io named hansa-agent, and create without a name"
	for what, test := range map[string]struct {
		how   func(context.Context, string) error
		level string
		hint  string
	}{
		"no right to list":       {only(forbids, "list"), "ERROR", rights},
		"no right to create":     {only(forbids, "create"), "ERROR", rights},
		"no right to anything":   {forbids, "ERROR", rights},
		"a namespace that ends":  {only(terminating, "create"), "ERROR", "kubectl create namespace hansa-system"},
		"an unknown agent":       {unauthorized, "ERROR", "check the credentials"},
		"a Lease that is wrong":  {only(invalid, "create"), "ERROR", "kubectl -n hansa-system get lease hansa-agent"},
		"a busy API server":      {busy, "WARN", "trying again"},
		"no API server":          {fails, "WARN", "trying again"},
		"a silent API server":    {hangs, "WARN", "trying again"},
		"a half dead API server": {only(hangs, "create"), "WARN", "trying again"},
	} {
		t.Run(what, func(t *testing.T) {
			inWorld(t, func(w *world) {
				a := w.start("a", &wire{before: test.how})
				time.Sleep(10 * time.Minute)
				a.wants(false, 0, nobody)
				if n := a.log.count("level="); n != 1 || a.log.count("level="+test.level) != 1 || !strings.Contains(a.log.String(), test.hint) {
					w.Errorf("want one line of level %s that says %s:\n%s", test.level, test.hint, a.log)
				}
				for verb, n := range a.wire.count() {
					if n > 1300 {
						w.Errorf("%d %ss in ten minutes", n, verb)
					}
				}
				a.mend()
				a.awaits()
				a.wants(true, 1, a.identity())
				if n := a.log.count("nothing is in the way"); n != 1 {
					w.Errorf("want one line that it is over:\n%s", a.log)
				}
			})
		})
	}
}

func TestTheNamespaceOfTheLeaseIsWaitedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.memory.missing = true
		a := w.start("a", nil)
		time.Sleep(10 * time.Minute)
		a.wants(false, 0, nobody)
		if a.log.count(`hint="kubectl create namespace hansa-system"`) != 1 || a.log.count("level=") != 1 {
			w.Errorf("want one line that names the namespace:\n%s", a.log)
		}
		w.memory.mu.Lock()
		w.memory.missing = false
		w.memory.mu.Unlock()
		if took := a.awaits(); took > DefaultRetry {
			w.Errorf("took %v", took)
		}
	})
}

// Without the right to watch, an agent still leads and follows, by its lists.
func TestWithoutAWatchAnAgentLists(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", &wire{before: only(forbids, "watch")})
		b := w.start("b", &wire{before: only(forbids, "watch")})
		time.Sleep(time.Hour)
		a.wants(true, 1, a.identity())
		b.wants(false, 0, a.identity())
		if n := b.wire.count(); n["list"] < 3000 || n["list"] > 6000 {
			w.Errorf("in an hour %v", n)
		}
		if b.log.count("ERROR") != 1 {
			w.Errorf("want one complaint:\n%s", b.log)
		}
		a.stop()
		if took := b.awaits(); took > 2*DefaultRetry {
			w.Errorf("took %v", took)
		}
	})
}

func TestAWatchThatDoesNotBeginIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.start("a", nil)
		b := w.start("b", &wire{before: only(hangs, "watch")})
		time.Sleep(10 * time.Minute)
		if n := b.wire.count(); n["list"] < 200 || n["list"] > 400 || b.log.count("WARN") != 1 {
			w.Errorf("in ten minutes %v, and the log:\n%s", n, b.log)
		}
		a.stop()
		if took := b.awaits(); took > 4*DefaultRetry {
			w.Errorf("took %v", took)
		}
	})
}

func TestALeaderThatMayNotRenewSaysSoAndIsReplaced(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.start("a", nil), w.start("b", nil)
		time.Sleep(time.Minute)
		a.wire.set(only(forbids, "update"), nil)
		b.awaits()
		time.Sleep(time.Minute)
		a.wants(false, 1, b.identity())
		b.wants(true, 1, b.identity())
		if a.log.count("level=ERROR") != 1 || a.log.count("could not be renewed") != 1 {
			w.Errorf("want one complaint and one freeze:\n%s", a.log)
		}
	})
}

func TestTroubleOfWritingIsOverWhenSomebodyElseWrites(t *testing.T) {
	inWorld(t, func(w *world) {
		w.memory.missing = true
		a := w.start("a", nil)
		time.Sleep(time.Minute)
		b := w.start("b", nil)
		a.wire.set(only(hangs, "create"), nil) // b is faster
		w.memory.mu.Lock()
		w.memory.missing = false
		w.memory.mu.Unlock()
		b.awaits()
		synctest.Wait()
		time.Sleep(time.Minute)
		if a.log.count("nothing is in the way") != 1 {
			w.Errorf("the log:\n%s", a.log)
		}
	})
}
