package federation

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"
)

// keys returns the keys of endpoints whose addresses end in these numbers.
func keys(last ...byte) (list []endpointKey) {
	for _, n := range last {
		list = append(list, endpointKey{address: netip.AddrFrom4([4]byte{10, 0, 0, n})})
	}
	return list
}

func sameKeys(a, b []endpointKey) bool {
	return slices.EqualFunc(a, b, func(a, b endpointKey) bool { return a.compare(b) == 0 })
}

// Each name is told once, as one change from what it was then: the base is that of its first change, the
// endpoints are those of all.
func TestChangesAreUnitedByName(t *testing.T) {
	var c changes
	for _, one := range []change{
		{seq: 1, name: named("a"), base: 0, whole: true},
		{seq: 2, name: named("b"), base: 20, touched: keys(1, 2)},
		{seq: 3, name: named("a"), base: 10, touched: keys(3)},
		{seq: 4, name: named("b"), base: 21, touched: keys(2, 3)},
		{seq: 4, name: named("a"), base: 11, touched: keys(4, 5)},
		{seq: 5, name: named("b"), base: 22, whole: true},
	} {
		c.add(one)
	}
	a, b := named("a"), named("b")
	for seq, want := range [][]change{
		{{name: a, base: 0, touched: keys(3, 4, 5), whole: true}, {name: b, base: 20, touched: keys(1, 2, 2, 3), whole: true}},
		{{name: b, base: 20, touched: keys(1, 2, 2, 3), whole: true}, {name: a, base: 10, touched: keys(3, 4, 5)}},
		{{name: a, base: 10, touched: keys(3, 4, 5)}, {name: b, base: 21, touched: keys(2, 3), whole: true}},
		{{name: b, base: 21, touched: keys(2, 3), whole: true}, {name: a, base: 11, touched: keys(4, 5)}},
		{{name: b, base: 22, whole: true}},
		nil,
		nil,
	} {
		got, ok := c.since(uint64(seq))
		same := slices.EqualFunc(got, want, func(a, b change) bool {
			return a.name == b.name && a.base == b.base && a.whole == b.whole && sameKeys(a.touched, b.touched)
		})
		if !ok || !same {
			t.Errorf("since %d: %+v, %t, want %+v", seq, got, ok, want)
		}
	}
}

// What is told is the reader's own: the log does not change by it.
func TestWhatIsToldOfTheChangesLeavesThemAlone(t *testing.T) {
	var c changes
	c.add(change{seq: 1, name: named("a"), touched: append(make([]endpointKey, 0, 9), keys(1)...)})
	c.add(change{seq: 2, name: named("a"), touched: append(make([]endpointKey, 0, 9), keys(2)...)})
	for range 2 {
		for seq, want := range [][]endpointKey{keys(1, 2), keys(2)} {
			if got, _ := c.since(uint64(seq)); !sameKeys(got[0].touched, want) {
				t.Fatalf("since %d: %v, want %v", seq, got[0].touched, want)
			}
		}
	}
	if beyond := c.list[0].touched[:2][1]; beyond.compare(endpointKey{}) != 0 {
		t.Errorf("%v was written behind what is remembered, where other readers write, too", beyond)
	}
}

// The log never holds more changes than its length, and knows from where on it is complete, also when one seq has
// many names and the cut falls between them, and when seqs are left out.
func TestChangesAreBoundedAndKnowTheirStart(t *testing.T) {
	for _, perSeq := range []int{1, 3, changesLength} {
		for _, stride := range []uint64{1, 5} {
			var c changes
			list := names(perSeq)
			for i := range uint64(3*changesLength/perSeq + 1) {
				now := (i + 1) * stride
				for _, n := range list {
					c.add(change{seq: now, name: n})
				}
				if len(c.list) > changesLength {
					t.Fatalf("%d changes", len(c.list))
				}
				for _, back := range []uint64{0, 1, 2, 10} {
					if i+1 >= back {
						checkBack(t, &c, perSeq, stride, now, back)
					}
				}
			}
		}
	}
}

// checkBack asks for what changed in the last seqs, on the border of one and just beside it.
func checkBack(t *testing.T, c *changes, perSeq int, stride, now, back uint64) {
	t.Helper()
	for beside := range stride {
		got, ok := c.since(now - back*stride + beside)
		want := perSeq
		if back == 0 {
			want = 0
		}
		if ok && len(got) != want {
			t.Fatalf("%d names in every %dth seq: since %d of %d: %d names, want %d", perSeq, stride, now-back*stride+beside, now, len(got), want)
		}
		if !ok && int(back)*perSeq < changesLength/2 {
			t.Fatalf("%d names in every %dth seq: %d of them back is forgotten", perSeq, stride, back)
		}
	}
}

// Endpoints are bounded, too: however they are spread over the changes, and if one alone is beyond.
func TestEndpointsOfTheChangesAreBounded(t *testing.T) {
	for what, sizes := range map[string][]int{
		"few each":                   {3},
		"many each":                  {changesKeys / 3},
		"all at once":                {changesKeys},
		"too many at once":           {changesKeys + 1},
		"small ones, then large":     {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, changesKeys, changesKeys, changesKeys},
		"large ones between none":    {0, 0, 0, changesKeys - 1, 0, 0},
		"large, small, beyond":       {changesKeys - 5, 3, 3, changesKeys + 1, 2},
		"growing until one is large": {1, 10, 100, 1000, 10_000},
	} {
		var c changes
		for seq := range uint64(300) {
			c.add(change{seq: seq + 1, name: named("s-" + strconv.Itoa(int(seq))), touched: make([]endpointKey, sizes[seq%uint64(len(sizes))])})
			total := 0
			for _, one := range c.list {
				total += len(one.touched)
			}
			if total > changesKeys || c.keys != total {
				t.Fatalf("%s: %d endpoints after %d changes, counted as %d", what, total, seq+1, c.keys)
			}
			if got, ok := c.since(seq); !ok || len(got) != 1 || got[0].whole == (len(got[0].touched) == sizes[seq%uint64(len(sizes))]) {
				t.Fatalf("%s: the newest change is told as %+v, %t", what, len(got), ok)
			}
		}
	}
}

// A new term forgets, and what it begins with is no change of it.
func TestResetForgetsUpToASeq(t *testing.T) {
	var c changes
	c.add(change{seq: 90, name: named("a"), touched: keys(1)})
	c.reset(5)
	c.add(change{seq: 6, name: named("b")})
	if _, ok := c.since(4); ok || c.keys != 0 {
		t.Errorf("reaches 4, %d endpoints", c.keys)
	}
	if got, ok := c.since(5); !ok || len(got) != 1 || got[0].name != named("b") {
		t.Errorf("since 5: %v, %t", got, ok)
	}
	c.reset(unreachable)
	c.add(change{seq: 7, name: named("b")})
	if _, ok := c.since(7); ok {
		t.Error("reaches 7")
	}
}
