package kube

import (
	"testing"

	"github.com/hansa-mcs/hansa/importer"
)

func TestUrgencyPutsRemovalsAndFirstEndpointsAhead(t *testing.T) {
	of := func(endpoints string) *importer.Service {
		return merged(t, "- cluster: a\n  ports: [http 80/TCP]\n  subsets:\n  - ports: [http 8080/TCP]\n    endpoints: ["+endpoints+"]\n")
	}
	none, first, second := of(""), of("10.1.0.1"), of("10.1.0.1, 10.1.0.2")
	for _, c := range []struct {
		what     string
		old, new *importer.Service
		want     int
	}{
		{"it came", nil, first, urgent},
		{"it went", first, nil, urgent},
		{"the first endpoint", none, first, urgent},
		{"the first that is ready", of("10.1.0.1 -ready"), first, urgent},
		{"one more", first, second, usual},
		{"one fewer", second, first, urgent},
		{"one that is ready no more", second, of("10.1.0.1, 10.1.0.2 -ready"), urgent},
		{"something else", second, second, usual},
	} {
		if got := urgency(importer.Change{Name: web, Old: c.old, New: c.new}); got != c.want {
			t.Errorf("%s: urgency %d, want %d", c.what, got, c.want)
		}
	}
}
