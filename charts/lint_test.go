package charts_test

import (
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
)

// What helm lint says, with no values and with all of them.
func TestHelmLintHasNothingToSay(t *testing.T) {
	for name, values := range map[string]map[string]any{"no values": {}, "everything": all()} {
		for _, m := range lint.RunAll("hansa", values, "hansa-system").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %s", name, m)
			}
		}
	}
}
