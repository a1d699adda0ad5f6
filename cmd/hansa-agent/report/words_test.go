package report

import (
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

func TestSpansAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                               "0s",
		400 * time.Millisecond:          "0s",
		42*time.Second + 499*1e6:        "42s",
		60 * time.Second:                "1m",
		70 * time.Second:                "1m10s",
		10 * time.Minute:                "10m",
		time.Hour:                       "1h",
		time.Hour + time.Second:         "1h0m1s",
		100*time.Hour + 5*time.Minute:   "100h5m",
		20*time.Hour + 30*time.Second:   "20h0m30s",
		10*time.Hour + 10*time.Minute*1: "10h10m",
	} {
		if got := span(d); got != want {
			t.Errorf("%s is %q, want %q", d, got, want)
		}
	}
}

func TestNamesOfManyClustersAreCut(t *testing.T) {
	list := []federation.ClusterID{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}
	for n, want := range map[int]string{
		0: "", 1: "a", 2: "a and b", 3: "a, b and c", 8: "a, b, c, d, e, f, g and h", 10: "a, b, c, d, e, f, g, h and 2 more",
	} {
		if got := those(list[:n]); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestLagCountsChanges(t *testing.T) {
	v := func(term, seq uint64) federation.Version { return federation.Version{Term: term, Seq: seq} }
	for _, c := range []struct {
		held, latest federation.Version
		want         uint64
	}{
		{v(1, 5), v(1, 5), 0}, {v(1, 5), v(1, 4), 0}, {v(2, 1), v(1, 9), 0},
		{v(1, 5), v(1, 9), 4}, {v(1, 5), v(2, 3), 3}, {v(1, 5), v(2, 0), 1}, {v(0, 0), v(1, 7), 7},
	} {
		if got := Lag(c.held, c.latest); got != c.want {
			t.Errorf("%s behind %s is %d, want %d", c.held, c.latest, got, c.want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	for v, want := range map[Verdict]int{Good: 0, Degraded: 1, Failed: 2, "": 2, "new": 2} {
		if got := v.ExitStatus(); got != want {
			t.Errorf("%q: %d, want %d", v, got, want)
		}
	}
}
