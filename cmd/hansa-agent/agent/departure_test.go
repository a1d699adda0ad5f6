package agent

import (
	"log/slog"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
)

// When the ConfigMap is deleted, whoever keeps it is told what it said at last, once.
func TestADeletedConfigMapIsTold(t *testing.T) {
	d, err := newDeparture(&rest.Config{}, "hansa-system", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var told []map[string]string
	d.lost = func(last map[string]string) { told = append(told, last) }
	d.see(nil)
	d.see(&corev1.ConfigMap{Data: map[string]string{"term": "7"}})
	d.see(&corev1.ConfigMap{Data: map[string]string{"term": "8"}})
	if len(told) > 0 {
		t.Errorf("told %v while it is there", told)
	}
	d.see(nil)
	d.see(nil)
	if len(told) != 1 || !maps.Equal(told[0], map[string]string{"term": "8"}) {
		t.Errorf("told %v", told)
	}
}
