package election

import (
	"testing"

	"go.uber.org/goleak"
)

// klog, which client-go brings, flushes for the life of the process.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
}
