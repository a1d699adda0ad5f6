package integration

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain fails the package if anything that a test started still runs, agents in this process too. It
// waits longer than goleak does by itself: memberlist's Shutdown leaves a probe that is under way to its own
// timer.
func TestMain(m *testing.M) {
	code := m.Run()
	// klog flushes for the life of the process.
	klog := goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1")
	deadline := time.Now().Add(15 * time.Second)
	for err := goleak.Find(klog); code == 0 && err != nil; err = goleak.Find(klog) {
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
