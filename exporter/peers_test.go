package exporter

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// readyOf returns Ready as it is for a generation.
func readyOf(generation int64, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: "Ready", Status: status, Reason: reason, Message: message, ObservedGeneration: generation}
}

// That a service was offered stays true: the message changes with the rest of the condition, or for a greater
// number, and for nothing else.
func TestTheOfferIsToldAgainOnlyWhenItGrew(t *testing.T) {
	rule.Covers(t, "#31")
	const none, one, two, three = "announced; no other cluster has joined yet", "offered to 1 other cluster of the clusterset",
		"offered to 2 other clusters of the clusterset", "offered to 3 other clusters of the clusterset"
	exported := func(message string) *metav1.Condition {
		return new(readyOf(1, metav1.ConditionTrue, "Exported", message))
	}
	for _, c := range []struct {
		what  string
		old   *metav1.Condition
		peers int
		want  string
	}{
		{"first, alone", nil, 0, none},
		{"first, with one", nil, 1, one},
		{"first, with two", nil, 2, two},
		{"nothing happened, alone", exported(none), 0, none},
		{"nothing happened", exported(two), 2, two},
		{"the first joined", exported(none), 1, one},
		{"another joined", exported(two), 3, three},
		{"a restart, before anybody is heard", exported(two), 0, two},
		{"a restart, when one is heard", exported(two), 1, two},
		{"the spec changed while fewer are heard", new(readyOf(0, metav1.ConditionTrue, "Exported", two)), 1, one},
		{"it failed before", new(readyOf(1, metav1.ConditionFalse, "Failed", two)), 1, one},
		{"it waited before", new(readyOf(1, metav1.ConditionFalse, "Pending", "waits")), 1, one},
		{"another's reason", new(readyOf(1, metav1.ConditionTrue, "Ready", two)), 1, one},
		{"it failed with that reason, by another's word", new(readyOf(1, metav1.ConditionFalse, "Exported", two)), 1, one},
		{"not known", new(readyOf(1, metav1.ConditionUnknown, "Exported", two)), 1, one},
		{"another's words", exported("offered to every member"), 1, one},
		{"another's number", exported("offered to 7 others"), 1, one},
		{"no number", exported("offered to some"), 0, none},
		{"a sign", exported("offered to +2 other clusters of the clusterset"), 1, one},
	} {
		want := readyOf(1, metav1.ConditionTrue, "Exported", c.want)
		if got := offer(c.old, readyOf(1, metav1.ConditionTrue, "Exported", ""), c.peers); got != want {
			t.Errorf("%s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	const rest = "reserved keys that importers leave out: exportedLabels hansa.dev/a"
	for _, c := range []struct{ what, old, want string }{
		{"as it was", two + "; " + rest, two + "; " + rest},
		{"it says less", two, one + "; " + rest},
		{"it says something else", two + "; another", one + "; " + rest},
		{"and nothing else", rest, one + "; " + rest},
	} {
		if got := offer(exported(c.old), *exported(rest), 1); got.Message != c.want {
			t.Errorf("more to say, %s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	if got := offer(exported(two+"; "+rest), *exported(""), 1); got.Message != one {
		t.Errorf("nothing more to say: %q", got.Message)
	}
	for _, other := range []metav1.Condition{readyOf(1, metav1.ConditionFalse, "Failed", "why"), readyOf(1, metav1.ConditionFalse, "Pending", "what for")} {
		if got := offer(exported(two), other, 3); got != other {
			t.Errorf("%+v became %+v", other, got)
		}
	}
}

func TestCountedIsTheInverseOfOffered(t *testing.T) {
	for n := range 1000 {
		if got := counted(offered(n)); got != n {
			t.Fatalf("%q counts %d", offered(n), got)
		}
	}
}

// All exports are looked at again when another cluster is heard, once, and for nothing else that changes.
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
