package state

import (
	"context"
	"maps"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
)

// A ConfigMap that is deleted is soon there again with all that it said, but that the cluster has left, and what a
// person takes out of the new one stays out.
func TestALostConfigMapIsWrittenAnew(t *testing.T) {
	before := map[string]string{
		"cluster.gone": "{}", "cluster.silent": encodeCluster(Cluster{ID: "silent", UID: "s", Addresses: []string{"s:1"}, Heard: noon}),
		"cluster.west": encodeCluster(west(noon)), "left": "2026-03-01T12:00:00Z", "cluster.broken": "x",
	}
	atDesk(t, before, func(d *desk) { d.config.Self = "east" }, func(d *desk) {
		if _, err := d.TakeTerm(t.Context(), 0, noon); err != nil {
			t.Fatal(err)
		}
		d.Note([]Cluster{{ID: "gone", Left: true}, {ID: "north"}, {ID: "west", Addresses: []string{"w:2"}}})
		d.pass(2 * apart)
		last := d.says()
		d.remove()
		d.pass(time.Minute)
		if d.says() != nil {
			t.Fatalf("ConfigMap %v before anybody said that it was lost", d.says())
		}
		writes := len(d.writes())
		d.Lost(last)
		d.pass(0)
		moved := west(noon)
		moved.Addresses = []string{"w:2"}
		want := map[string]string{
			"self": "east", "term": "1772366400000", "cluster.broken": "{}", "cluster.north": "{}",
			"cluster.silent": before["cluster.silent"], "cluster.west": encodeCluster(moved),
		}
		if n := len(d.writes()) - writes; n != 1 || !maps.Equal(d.says(), want) {
			t.Errorf("%d writes, ConfigMap %v, want %v", n, d.says(), want)
		}
		d.edit(func(o *corev1.ConfigMap) { delete(o.Data, "cluster.silent") })
		d.Note([]Cluster{{ID: "north"}, {ID: "south"}, {ID: "west", Addresses: []string{"w:2"}}})
		d.pass(time.Hour)
		if says := d.says(); says["cluster.silent"] != "" || says["cluster.south"] != "{}" {
			t.Errorf("ConfigMap %v after somebody removed a cluster", says)
		}
	})
}

// What somebody else has written anew by then is left alone, and what it lacks is added.
func TestALostConfigMapThatIsThereAgainIsCompleted(t *testing.T) {
	atDesk(t, map[string]string{"cluster.silent": "{}"}, nil, func(d *desk) {
		d.Note([]Cluster{west(noon)})
		d.wrote("cluster.west")
		last := d.says()
		d.remove()
		d.edit(func(o *corev1.ConfigMap) {
			o.Data = map[string]string{"term": "9", "cluster.west": last["cluster.west"]}
		})
		d.pass(time.Minute)
		d.Lost(last)
		d.wrote("cluster.west", "cluster.silent")
		d.Lost(last)
		d.pass(time.Hour)
		d.wrote("cluster.west", "cluster.silent")
		if d.says()["term"] != "9" || d.UID() != d.object.UID {
			t.Errorf("ConfigMap %v", d.says())
		}
	})
}

// Another cluster's state is not taken for ours, who does not lead writes nothing, and who has left stays forgotten.
func TestWhatIsNotWrittenOfALostConfigMap(t *testing.T) {
	atDesk(t, nil, func(d *desk) { d.config.Self = "east" }, func(d *desk) {
		d.Lost(map[string]string{"self": "west", "cluster.north": "{}"})
		d.pass(time.Hour)
		d.wrote()
	})
	var gate *leadership
	atDesk(t, nil, func(d *desk) {
		gate = newGate()
		d.config.Gate = gate.pass
	}, func(d *desk) {
		d.Lost(map[string]string{"cluster.north": "{}"})
		d.pass(time.Hour)
		d.wrote()
		gate.lead()
		d.wrote("cluster.north")
	})
	atDesk(t, nil, nil, func(d *desk) {
		d.Note([]Cluster{{ID: "west", Left: true}})
		d.Lost(map[string]string{"cluster.north": "{}", "cluster.west": "{}"})
		d.pass(time.Hour)
		d.wrote("cluster.north")
	})
}

// An API server that is away when it was lost is tried again until it takes all.
func TestALossOutlivesAnAPIServerThatIsAway(t *testing.T) {
	atDesk(t, nil, func(d *desk) { d.answer(func(string) error { return context.DeadlineExceeded }) }, func(d *desk) {
		d.Lost(map[string]string{"cluster.silent": "{}"})
		d.pass(time.Minute)
		d.wrote()
		d.answer(nil)
		d.pass(2 * time.Minute)
		d.wrote("cluster.silent")
	})
}

func writeAnew(t *testing.T, keeper func() *Keeper, maps corev1client.ConfigMapInterface) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	var done sync.WaitGroup
	defer done.Wait()
	defer stop()
	k := keeper()
	k.config.Self = "east"
	if _, err := k.TakeTerm(ctx, 0, noon); err != nil {
		t.Fatal(err)
	}
	done.Go(func() { _ = k.Start(ctx) })
	changes, err := maps.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + DefaultName})
	if err != nil {
		t.Fatal(err)
	}
	defer changes.Stop()
	var last *corev1.ConfigMap
	for i, step := range []func(){
		func() { k.Note([]Cluster{west(noon)}) },
		func() {
			if err := maps.Delete(ctx, DefaultName, metav1.DeleteOptions{}); err != nil {
				t.Error(err)
			}
			k.Note(nil) // what is silent is told by nobody
			k.Lost(last.Data)
		},
	} {
		step()
		for last = nil; last == nil || last.DeletionTimestamp != nil || last.Data["cluster.west"] == ""; {
			change, open := <-changes.ResultChan()
			if !open {
				t.Fatalf("step %d: not written", i)
			}
			if last = nil; change.Type != "DELETED" {
				last = change.Object.(*corev1.ConfigMap)
			}
		}
	}
	if last.Data["term"] != "1772366400000" || last.Data["self"] != "east" || last.Data["cluster.west"] != encodeCluster(west(noon)) {
		t.Errorf("it says %v", last.Data)
	}
}
