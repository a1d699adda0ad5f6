package integration

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if anything that a test started still runs: agents in this process too.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// klog flushes for the life of the process.
		goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"),
	)
}
