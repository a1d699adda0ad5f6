// Package labtest gives control planes to a test.
package labtest

import (
	"testing"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// Start builds what control planes need, if it is not there yet, and starts those of the clusters. They end with the test.
// What goes on is said in the test's output.
func Start(t *testing.T, config lab.Config) *lab.Lab {
	t.Helper()
	config.Output = t.Output()
	if _, err := lab.Build(t.Context(), config.Output, false); err != nil {
		t.Fatal(err)
	}
	l, err := lab.Start(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	return l
}
