package machine

import "testing"

func TestWhatTheHostTookIsAShareOfAllTime(t *testing.T) {
	before, err := parseCPU("cpu  10 0 10 60 0 0 0 20 5 0\ncpu0 1\n")
	if err != nil {
		t.Fatal(err)
	}
	after, err := parseCPU("cpu  50 0 20 90 0 0 0 40 9 0\n")
	if err != nil {
		t.Fatal(err)
	}
	if got := after.StolenSince(before); got != 20 {
		t.Errorf("%v %%, want 20", got)
	}
	if got := before.StolenSince(before); got != 0 {
		t.Errorf("%v %% of no time, want 0", got)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 7 x 9"} {
		if c, err := parseCPU(bad); err == nil {
			t.Errorf("%q is %v, want an error", bad, c)
		}
	}
}
