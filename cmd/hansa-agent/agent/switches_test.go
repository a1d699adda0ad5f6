package agent

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
)

// gateMap returns the ConfigMap, of which each key got its value at noon.
func gateMap(data map[string]string) *corev1.ConfigMap {
	cm := &corev1.ConfigMap{Data: data}
	for key := range data {
		cm.ManagedFields = append(cm.ManagedFields, metav1.ManagedFieldsEntry{
			Time: new(metav1.NewTime(noon)), FieldsV1: metav1.NewFieldsV1(`{"f:data":{".":{},"f:` + key + `":{}}}`),
		})
	}
	return cm
}

// What the ConfigMap says goes before what was said at the start, and takes effect while it says so; who waits is woken by
// a change, and by nothing else; what is wrong is told once.
func TestTheConfigMapTurnsGates(t *testing.T) {
	var log strings.Builder
	o := Defaults()
	o.FeatureGates = []string{"MCSHost=false"}
	o.Getenv = func(name string) string {
		return map[string]string{"ENABLE_MCS_HOST": "true", "ENABLE_MCS_AUTOEXPORT": "true"}[name]
	}
	s, err := newSwitches(&rest.Config{}, o, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	type says = map[string]string
	at := time.Now()
	for _, step := range []struct {
		what   string
		data   says
		woken  bool
		want   string // gates that are on, with what is idle in brackets
		host   features.Origin
		faults int
		warned int
	}{
		{"there is none", nil, false, "MCSServiceDiscovery MCSClusterLocal MCSAutoExport", features.FromFlag, 0, 0},
		{"one is turned", says{"MCSHost": "true"}, true, "MCSServiceDiscovery MCSHost MCSClusterLocal MCSAutoExport", features.FromConfigMap, 0, 0},
		{"seen again", says{"MCSHost": "true"}, false, "MCSServiceDiscovery MCSHost MCSClusterLocal MCSAutoExport", features.FromConfigMap, 0, 0},
		{"a slip", says{"MCSHost": "ture"}, true, "MCSServiceDiscovery MCSHost MCSClusterLocal MCSAutoExport", features.FromConfigMap, 1, 1},
		{"the slip, and the brake", says{"MCSHost": "ture", "MCSServiceDiscovery": "false"}, true, "(MCSHost) MCSClusterLocal (MCSAutoExport)", features.FromConfigMap, 1, 1},
		{"all taken back", nil, true, "MCSServiceDiscovery MCSClusterLocal MCSAutoExport", features.FromFlag, 0, 1},
	} {
		t.Run(step.what, func(t *testing.T) {
			_, _, changed := s.now()
			at = at.Add(time.Minute)
			if step.data == nil {
				s.see(nil, at)
			} else {
				s.see(gateMap(step.data), at)
			}
			is, faults, _ := s.now()
			var on []string
			for _, st := range is.List() {
				switch {
				case st.On && st.Idle != "":
					on = append(on, "("+string(st.Gate)+")")
				case st.On:
					on = append(on, string(st.Gate))
				}
			}
			if got := strings.Join(on, " "); got != step.want {
				t.Errorf("on are %s, want %s", got, step.want)
			}
			if closed(changed) != step.woken || len(faults) != step.faults || strings.Count(log.String(), "level=WARN") != step.warned {
				t.Errorf("woken %t, faults %q, %d warned of; want %+v", closed(changed), faults, strings.Count(log.String(), "level=WARN"), step)
			}
			if st := is[features.Host]; st.Origin != step.host {
				t.Errorf("MCSHost stands by %s", st.Origin)
			}
		})
	}
}

// Since when a key has its value is what the API server noted of that key.
func TestSinceWhenAGateStands(t *testing.T) {
	s, err := newSwitches(&rest.Config{}, Defaults(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.see(gateMap(map[string]string{"MCSHost": "false"}), noon.Add(time.Hour))
	if is, _, _ := s.now(); !is[features.Host].Since.Equal(noon) {
		t.Errorf("MCSHost stands since %s, want %s", is[features.Host].Since, noon)
	}
}
