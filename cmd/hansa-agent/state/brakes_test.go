package state

import (
	"context"
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A brake is pulled by whatever is written but "false", and since when is what the leader noted.
func TestWhatIsSaidOfAFreeze(t *testing.T) {
	configMap := func(annotations, data map[string]string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}, Data: data}
	}
	noted := map[string]string{"frozen": "2026-03-01T12:00:00Z"}
	for _, c := range []struct {
		what string
		cm   *corev1.ConfigMap
		want Freeze
	}{
		{"there is none", nil, Freeze{}},
		{"nobody asks", configMap(nil, nil), Freeze{}},
		{"somebody asks", configMap(map[string]string{"hansa.dev/freeze": "true"}, nil), Freeze{Asked: true}},
		{"somebody asks without a word", configMap(map[string]string{"hansa.dev/freeze": ""}, nil), Freeze{Asked: true}},
		{"false is asked", configMap(map[string]string{"hansa.dev/freeze": "false"}, nil), Freeze{}},
		{"it is noted", configMap(map[string]string{"hansa.dev/freeze": "yes"}, noted), Freeze{Asked: true, Since: noon}},
		{"it is over, which is not noted", configMap(nil, noted), Freeze{Since: noon}},
		{"edited by hand", configMap(nil, map[string]string{"frozen": "x"}), Freeze{Since: time.Unix(0, 0).UTC()}},
	} {
		if got := FreezeOf(c.cm); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

// What is so since a time is written once, is read back, and is taken back.
func TestMomentsAreWrittenOnceAndTakenBack(t *testing.T) {
	for key, set := range map[string]func(*Keeper, context.Context, time.Time) error{"frozen": (*Keeper).SetFrozen, "withdrawn": (*Keeper).SetWithdrawn} {
		m := newConfigMaps(t, map[string]string{"term": "7"})
		k, _ := newKeeper(m)
		want := map[string]string{"term": "7", key: "2026-03-01T12:00:00Z"}
		for _, at := range []time.Time{noon, noon.Add(time.Hour)} {
			if err := set(k, t.Context(), at); err != nil || !maps.Equal(m.says(), want) {
				t.Errorf("%s: error %v, ConfigMap %v, want %v", key, err, m.says(), want)
			}
		}
		if at, is := momentOf(&corev1.ConfigMap{Data: m.says()}, key); !is || !at.Equal(noon) {
			t.Errorf("%s: %s, %t", key, at, is)
		}
		if err := set(k, t.Context(), time.Time{}); err != nil || len(m.says()) != 1 || len(m.writes()) != 2 {
			t.Errorf("%s taken back: error %v, ConfigMap %v, %d writes", key, err, m.says(), len(m.writes()))
		}
	}
	if _, is := WithdrawnOf(nil); is {
		t.Error("no ConfigMap says that this cluster withholds something")
	}
}
