package exporter

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
)

// All exports are looked at again when another cluster joins or leaves, once, and for nothing else that changes; when
// many are known, of who joins what names it alone.
func TestEachNewClusterHasExportsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := federation.NewStore("own")
		x := newExporter(Config{Store: store}, nil, nil, nil)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		looked := func() (names []string) {
			for {
				synctest.Wait()
				select {
				case e := <-x.again:
					names = append(names, e.Object.Name)
				default:
					return names
				}
			}
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if got := looked(); !slices.Equal(got, want) {
				t.Errorf("%s: looked again at %v, want %v", what, got, want)
			}
		}
		hear := func(cluster federation.ClusterID, term uint64) {
			t.Helper()
			if err := federationtest.Say(store, cluster, federation.Version{Term: term, Seq: 1}); err != nil {
				t.Fatal(err)
			}
		}
		hear("east", 1)
		store.Announce(1, []*federation.Export{{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "a"}}})
		go func() {
			defer close(done)
			x.followPeers(ctx)
		}()
		expect("announced", "a")
		store.Set(&federation.Export{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "b"}})
		expect("a change of our own")
		hear("west", 1)
		expect("west joined", "a", "b")
		hear("west", 2)
		expect("west again")
		store.Withdraw(federation.ServiceName{Namespace: "shop", Name: "a"})
		hear("north", 1)
		expect("north joined", "b")
		hear("south", 1)
		expect("south joined", "b")
		u := &federation.Update{Owner: "west", From: federation.Version{Term: 2, Seq: 1}, To: federation.Version{Term: 2, Seq: 2}, Left: true}
		if _, err := store.Apply(u); err != nil {
			t.Fatal(err)
		}
		expect("west left", "b")
		hear("west", 3)
		expect("west is back", "b")
		store.Depart()
		expect("we left", "b")
		store.Return()
		expect("we are back", "b")

		store.Set(&federation.Export{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "c"}, Consumers: []string{"eu-*"}})
		for _, id := range []federation.ClusterID{"n-5", "n-6", "n-7", "n-8"} {
			hear(id, 1)
			expect(string(id)+" joined", "b", "c")
		}
		hear("n-9", 1)
		expect("a ninth joined")
		hear("eu-1", 1)
		expect("a tenth joined, that is named", "c")

		hear("last", 1)
		synctest.Wait() // it waits for somebody to take "b"
		stop()
		<-done
	})
}

func TestManyClustersAreCountedRoughly(t *testing.T) {
	told, times := 0, 0
	for n := range 200 {
		if clearlyMore(n, told) {
			told, times = n, times+1
		}
		if n <= 8 && told != n || told < n/2 {
			t.Errorf("%d clusters, told of %d", n, told)
		}
	}
	if times > 13 {
		t.Errorf("told %d times", times)
	}
}
