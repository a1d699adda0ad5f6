package exporter

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// Whatever is left out, the message stays short and names it in one order. The golden files have the rest.
func TestFewReservedKeysAreNamed(t *testing.T) {
	rule.Covers(t, "E8", "#31")
	e := &federation.Export{Labels: map[string]string{"team": "red"}, Annotations: map[string]string{"hansa.dev/b": "", "hansa.dev/a": "", "note": ""}}
	if got := leftOut(e); got != "reserved keys that importers leave out: exportedAnnotations hansa.dev/a, hansa.dev/b" {
		t.Errorf("says %q", got)
	}
	e.Labels, e.Annotations = map[string]string{}, map[string]string{}
	for i := range federation.MaxPairs {
		e.Labels[fmt.Sprintf("hansa.dev/%02d%s", i, strings.Repeat("x", 60))] = ""
		e.Annotations[fmt.Sprintf("%s.hansa.dev/%02d", strings.Repeat("x", 200), i)] = ""
	}
	got := leftOut(e)
	if len(got) > 700 || !strings.Contains(got, "exportedLabels hansa.dev/00x") || !strings.Contains(got, "…; exportedAnnotations xxx") || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
