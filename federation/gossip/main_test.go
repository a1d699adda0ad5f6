package gossip

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain waits longer for goroutines than goleak does by itself: memberlist's probe of a node ends by
// its own timer.
func TestMain(m *testing.M) {
	code := m.Run()
	deadline := time.Now().Add(15 * time.Second)
	for err := goleak.Find(); code == 0 && err != nil; err = goleak.Find() {
		if time.Now().After(deadline) {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
