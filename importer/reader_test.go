package importer

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
)

// running starts an Importer that ends with the test.
func running(t *testing.T, store *federation.Store, namespaces ...string) *Importer {
	i := New(store, usual)
	for _, ns := range namespaces {
		i.SetNamespace(ns, true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- i.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return i
}

// Readers that skip editions, each at its own pace, end with just what the View holds: they walk the
// difference from the View that they used last.
func TestSlowReadersSkipEditionsAndMissNothing(t *testing.T) {
	store := federation.NewStore("own")
	store.Announce(1, nil)
	i := running(t, store, "shop")
	last := federation.ServiceName{Namespace: "shop", Name: "last"}
	var reading sync.WaitGroup
	for pace := range 4 {
		reading.Go(func() {
			known, view := map[federation.ServiceName]*Service{}, Empty()
			for known[last] == nil {
				next := i.View()
				for c := range Diff(view, next) {
					if known[c.Name] != c.Old {
						t.Errorf("%s: from another Service than the reader has", c.Name)
					}
					known[c.Name] = c.New
				}
				maps.DeleteFunc(known, func(_ federation.ServiceName, s *Service) bool { return s == nil })
				if !maps.Equal(known, content(next)) {
					t.Errorf("at revision %d: %d Services known, %d there", next.Revision, len(known), len(content(next)))
				}
				view = next
				for range pace + 1 { // sleeps through some editions
					if known[last] == nil {
						<-next.Replaced()
						next = i.View()
					}
					if next.Service(last) != nil {
						break
					}
				}
			}
		})
	}
	r := random(t)
	for range 2000 {
		name := federation.ServiceName{Namespace: "shop", Name: fmt.Sprintf("s-%d", r.IntN(20))}
		if r.IntN(3) == 0 {
			store.Withdraw(name)
		} else {
			store.Set(web("own", name, fmt.Sprintf("10.0.0.%d", 1+r.IntN(200))))
		}
	}
	store.Set(web("own", last))
	reading.Wait()
}

// Promise 4: a View that counts a cluster as synced holds what that cluster said; else what is not there
// yet would be taken for gone. Meanwhile much changes in a namespace that is not here, so that the loop
// spends its turns between looking at the changes and looking at the clusters.
func TestSyncedClusterHasItsServicesInTheView(t *testing.T) {
	store := federation.NewStore("own")
	store.Announce(1, nil)
	i := running(t, store, "shop")
	done := make(chan struct{})
	var changing sync.WaitGroup
	changing.Go(func() { changeElsewhere(store, done) })
	for n := range 1000 {
		id := federation.ClusterID(fmt.Sprintf("c-%d", n))
		name := federation.ServiceName{Namespace: "shop", Name: string(id)}
		if err := federationtest.Say(store, id, federation.Version{Term: 1, Seq: 1}, web(id, name)); err != nil {
			t.Fatal(err)
		}
		view := i.View()
		for ; !view.Synced(id); view = i.View() {
			<-view.Replaced()
		}
		if view.Service(name) == nil {
			t.Errorf("revision %d: %s is synced, its Service is not there", view.Revision, id)
		}
	}
	close(done)
	changing.Wait()
}

// changeElsewhere changes one service after the other until done.
func changeElsewhere(store *federation.Store, done <-chan struct{}) {
	var exports []*federation.Export
	for n := range 4000 {
		name := federation.ServiceName{Namespace: "elsewhere", Name: fmt.Sprintf("s-%d", n%2000)}
		exports = append(exports, web("own", name, fmt.Sprintf("10.0.0.%d", 1+n/2000)))
	}
	for n := 0; ; n++ {
		select {
		case <-done:
			return
		default:
			store.Set(exports[n%len(exports)])
		}
	}
}
