package corefile

import (
	"strings"
	"testing"
	"time"
)

func TestForward(t *testing.T) {
	tests := map[string]struct {
		zone      string
		addresses []string
		want      string
	}{
		"one address":   {"clusterset.local", []string{"10.96.0.53"}, "clusterset.local:53 {\n    errors\n    forward . 10.96.0.53\n}\n"},
		"both families": {"clusterset.local", []string{"10.96.0.53", "fd00::53"}, "clusterset.local:53 {\n    errors\n    forward . 10.96.0.53 fd00::53\n}\n"},
		"another zone":  {"mesh.example.", []string{"[fd00::53]:5300"}, "mesh.example:53 {\n    errors\n    forward . [fd00::53]:5300\n}\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Forward(test.zone, test.addresses); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestMulticluster(t *testing.T) {
	for zone, want := range map[string]string{
		"clusterset.local": "clusterset.local:53 {\n    errors\n    kubernetes clusterset.local {\n        multicluster clusterset.local\n        ttl 5\n    }\n    loadbalance\n}\n",
		"mesh.example.":    "mesh.example:53 {\n    errors\n    kubernetes mesh.example {\n        multicluster mesh.example\n        ttl 5\n    }\n    loadbalance\n}\n",
	} {
		if got := Multicluster(zone, 5*time.Second); got != want {
			t.Errorf("zone %s: got\n%s\nwant\n%s", zone, got, want)
		}
	}
}

func TestMulticlusterLetsOthersRememberForAsLongAsAgentsDo(t *testing.T) {
	for ttl, want := range map[time.Duration]string{0: "        ttl 0\n", 90 * time.Second: "        ttl 90\n"} {
		if got := Multicluster("clusterset.local", ttl); !strings.Contains(got, want) {
			t.Errorf("%s: got\n%s", ttl, got)
		}
	}
}
