package sim

import (
	"bytes"
	"runtime/debug"
	"testing"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// Promises 3 to 6 of the design, and what becomes of clusters that are not heard, in as many clustersets as fit into a
// test; make sim plays many more.
func TestInvariantsHoldWhateverGoesWrong(t *testing.T) {
	rule.Covers(t, "E1")
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // a play makes much garbage and holds little
	const seeds = 300
	total := RunMany(0, seeds, func(total *Total) bool { return len(total.Failures) < 3 })
	for _, f := range total.Failures {
		t.Error(f)
	}
	if missing := total.Stats.Missing(); len(missing) > 0 {
		t.Errorf("the plays are too tame to show anything: never happened: %q", missing)
	}
	t.Logf("%d clusters, all agreed within %s", total.Members, total.Slowest)
}

// A seed that failed must fail again, and in the same way.
func TestASeedAlwaysPlaysTheSame(t *testing.T) {
	for seed := range uint64(6) {
		var one, another bytes.Buffer
		a, b, quiet := Run(seed, &one), Run(seed, &another), Run(seed, nil)
		if a.Sum != b.Sum || a.Sum != quiet.Sum || !bytes.Equal(one.Bytes(), another.Bytes()) {
			t.Errorf("seed %d: traces %016x, %016x and, not told, %016x", seed, a.Sum, b.Sum, quiet.Sum)
		}
	}
}
