package state

import (
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestHowAClusterStandsToItsClusterset(t *testing.T) {
	configMap := func(asks, left string) *corev1.ConfigMap {
		cm := &corev1.ConfigMap{Data: map[string]string{"term": "7"}}
		if asks != "" {
			cm.ObjectMeta = metav1.ObjectMeta{Annotations: map[string]string{"hansa.dev/leave": asks}}
		}
		if left != "" {
			cm.Data["left"] = left
		}
		return cm
	}
	for _, c := range []struct {
		what string
		cm   *corev1.ConfigMap
		want Phase
	}{
		{"there is none", nil, Inside},
		{"nobody asks", configMap("", ""), Inside},
		{"somebody asks", configMap("true", ""), Leaving},
		{"something else is asked", configMap("false", ""), Inside},
		{"the others know", configMap("true", "2026-03-01T12:00:00Z"), Outside},
		{"nobody asks any more, which the leader has not noted", configMap("", "2026-03-01T12:00:00Z"), Outside},
		{"edited by hand", configMap("true", "yes"), Outside},
	} {
		if got := DepartureOf(c.cm).Phase(); got != c.want {
			t.Errorf("%s: phase %d, want %d", c.what, got, c.want)
		}
	}
}

func TestThatAClusterLeftIsWrittenOnceAndTakenBack(t *testing.T) {
	m := newConfigMaps(t, map[string]string{"cluster.west": "{}", "term": "7"})
	k, _ := newKeeper(m)
	left := map[string]string{"cluster.west": "{}", "term": "7", "left": "2026-03-01T12:00:00Z"}
	for _, at := range []time.Time{noon, noon.Add(time.Hour)} {
		if err := k.SetLeft(t.Context(), at); err != nil || !maps.Equal(m.says(), left) {
			t.Errorf("error %v, ConfigMap %v, want %v", err, m.says(), left)
		}
	}
	delete(left, "left")
	for range 2 {
		if err := k.SetLeft(t.Context(), time.Time{}); err != nil || !maps.Equal(m.says(), left) {
			t.Errorf("taken back: error %v, ConfigMap %v, want %v", err, m.says(), left)
		}
	}
	if n := len(m.writes()); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
}

// Another leader's term does not take back that the cluster left, and a cluster that left is forgotten.
func TestWhatStaysWhenAClusterLeaves(t *testing.T) {
	data := map[string]string{"cluster.north": "{}", "cluster.west": "{}", "left": "2026-03-01T12:00:00Z"}
	atDesk(t, data, nil, func(d *desk) {
		if _, err := d.TakeTerm(t.Context(), 0, noon); err != nil {
			t.Fatal(err)
		}
		d.wrote("term")
		d.Note([]Cluster{{ID: "west", Left: true}})
		d.pass(2 * apart)
		d.wrote("term", "cluster.west")
		want := map[string]string{"cluster.north": "{}", "left": "2026-03-01T12:00:00Z", "term": "1772366400000"}
		if !maps.Equal(d.says(), want) {
			t.Errorf("ConfigMap %v, want %v", d.says(), want)
		}
		d.pass(time.Hour)
		d.Note([]Cluster{west(noon)})
		d.pass(2 * apart)
		d.wrote("term", "cluster.west", "cluster.west")
	})
}
