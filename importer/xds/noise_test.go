package xds

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestClientsDoNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := newMuffled(slog.NewTextHandler(&out, nil))
		lines := func(n int) int {
			out.Reset()
			for i := range n {
				log.With("client", i).WithGroup("g").Warn("refused")
			}
			return strings.Count(out.String(), "refused")
		}
		if n := lines(10_000); n != 100 {
			t.Errorf("%d lines at once, want 100", n)
		}
		time.Sleep(2 * time.Second)
		if n := lines(1000); n != 20 {
			t.Errorf("%d lines after two seconds, want 20", n)
		}
	})
}
