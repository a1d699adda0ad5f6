package state

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestDrainsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]struct {
		list  string
		wrong int
	}{
		"": {},
		"west=2026-01-02T03:04:05Z/5m, east=2026-01-02T03:04:05Z/0s,":       {list: "east=2026-01-02T03:04:05Z/0s,west=2026-01-02T03:04:05Z/5m0s"},
		"west=soon,east=2026-01-02T03:04:05Z/1m,We=2026-01-02T03:04:05Z/1m": {list: "east=2026-01-02T03:04:05Z/1m0s", wrong: 2},
	} {
		cm := &corev1.ConfigMap{}
		cm.Annotations = map[string]string{DrainAnnotation: text}
		list, wrong := DrainsOf(cm)
		if list.String() != want.list || len(wrong) != want.wrong {
			t.Errorf("%q is read as %q, errors %v", text, list, wrong)
		}
	}
	if list, wrong := DrainsOf(nil); len(list)+len(wrong) > 0 {
		t.Errorf("nothing is read as %q, errors %v", list, wrong)
	}
}
