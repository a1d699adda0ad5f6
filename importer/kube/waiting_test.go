package kube

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/importer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// views returns real Views of an importer: in the nth, n clusters have sent a complete set.
func views(t *testing.T, most int) []*importer.View {
	t.Helper()
	store := federation.NewStore("self")
	imp := importer.New(store, importer.Config{Patience: federation.DefaultPatience})
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = imp.Start(ctx) })
	defer done.Wait()
	defer stop()
	list := []*importer.View{imp.View()}
	for n := range most {
		last := imp.View()
		if err := federationtest.Say(store, federation.ClusterID(fmt.Sprintf("c%d", n)), federation.Version{Term: 1, Seq: 1}); err != nil {
			t.Fatal(err)
		}
		select {
		case <-last.Replaced():
		case <-time.After(10 * time.Second):
			t.Fatal("no View")
		}
		if list = append(list, imp.View()); list[n+1].SyncedEpoch() != uint64(n+1) {
			t.Fatalf("epoch %d, want %d", list[n+1].SyncedEpoch(), n+1)
		}
	}
	return list
}

func TestAServiceWaitsUntilAnotherClusterIsHeard(t *testing.T) {
	v := views(t, 2)
	var w waiting
	w.take(v[1])
	if !w.add(web, v[1]) {
		t.Fatal("nobody was heard meanwhile, and yet it must not wait")
	}
	if got := w.take(v[1]); len(got) > 0 {
		t.Fatalf("nobody was heard, and yet %v need not wait", got)
	}
	if got := w.take(v[2]); !slices.Equal(got, []federation.ServiceName{web}) {
		t.Fatalf("another cluster was heard: got %v", got)
	}
	if got := w.take(v[1]); len(got) > 0 {
		t.Fatalf("%v waits no longer, and is there again", got)
	}
}

// TestAServiceDoesNotWaitForWhoWasHeardMeanwhile is the race that waiting is there for: a worker looks at a
// service in one View; then another cluster is heard and those that wait are taken; only then the worker
// says that the service waits. It would wait for ever.
func TestAServiceDoesNotWaitForWhoWasHeardMeanwhile(t *testing.T) {
	v := views(t, 2)
	var w waiting
	w.take(v[1])
	looked := v[1]
	w.take(v[2])
	if w.add(web, looked) {
		t.Fatal("it waits, though what it waits for has come")
	}
	if !w.add(web, v[2]) {
		t.Fatal("looked at again in the newest View, it must wait")
	}
}

// TestNoWaitingServiceIsLost runs that race: however the two sides meet, a service that was looked at before
// the cluster was heard is taken, and one that is not was looked at after.
func TestNoWaitingServiceIsLost(t *testing.T) {
	v := views(t, 2)
	for range 1000 {
		var w waiting
		var taken []federation.ServiceName
		w.take(v[1])
		var both sync.WaitGroup
		looked := 1
		both.Go(func() {
			for !w.add(web, v[looked]) { // as Reconcile looks again
				looked++
			}
		})
		both.Go(func() { taken = w.take(v[2]) })
		both.Wait()
		if len(taken) == 0 != (looked == 2) {
			t.Fatalf("looked at with %d clusters heard, taken is %v", looked, taken)
		}
	}
}
