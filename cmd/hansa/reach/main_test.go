package reach

import (
	"testing"

	"go.uber.org/goleak"
)

// The library of SPDY keeps a goroutine of a closed connection for a second, for whoever may ask what went wrong.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/moby/spdystream.(*Connection).shutdown"))
}
