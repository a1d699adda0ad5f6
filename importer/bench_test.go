package importer

import (
	"fmt"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// full returns an Importer that has published 10,000 services in 100 namespaces, and its revision of
// the Store.
func full() (*Importer, *federation.Store, uint64) {
	store := federation.NewStore("own")
	i := New(store, usual)
	var exports []*federation.Export
	for n := range 10_000 {
		name := federation.ServiceName{Namespace: fmt.Sprintf("ns-%d", n%100), Name: fmt.Sprintf("s-%d", n)}
		i.SetNamespace(name.Namespace, true)
		exports = append(exports, web("own", name, "10.0.0.1"))
	}
	store.Announce(1, exports)
	var revision uint64
	i.turn(&revision, false, time.Now())
	return i, store, revision
}

var someName = federation.ServiceName{Namespace: "ns-7", Name: "s-7"}

// BenchmarkPublish is one changed service among 10,000 in 100 namespaces, from the Store to the View.
func BenchmarkPublish(b *testing.B) {
	i, store, revision := full()
	turns := []*federation.Export{web("own", someName, "10.0.0.1", "10.0.0.2"), web("own", someName, "10.0.0.1")}
	n := 0
	for b.Loop() {
		store.Set(turns[n%2])
		n++
		i.turn(&revision, false, time.Now())
	}
	if got := i.View().Revision; got != uint64(n)+1 {
		b.Fatalf("%d Views of %d changes", got, n)
	}
}

// BenchmarkDiff finds the one difference of two Views of 10,000 services.
func BenchmarkDiff(b *testing.B) {
	i, store, revision := full()
	before := i.View()
	store.Set(web("own", someName, "10.0.0.1", "10.0.0.2"))
	i.turn(&revision, false, time.Now())
	after := i.View()
	for b.Loop() {
		n := 0
		for range Diff(before, after) {
			n++
		}
		if n != 1 {
			b.Fatalf("%d differences", n)
		}
	}
}

func BenchmarkMerge(b *testing.B) {
	for _, clusters := range []int{1, 5, 50} {
		b.Run(fmt.Sprintf("clusters=%d", clusters), func(b *testing.B) {
			var exports []*federation.Export
			for n := range clusters {
				exports = append(exports, web(federation.ClusterID(fmt.Sprintf("c-%02d", n)), shopWeb, "10.0.0.1", "10.0.0.2"))
			}
			for b.Loop() {
				Merge(exports)
			}
		})
	}
}
