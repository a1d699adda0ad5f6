package federation

import (
	"testing"
	"time"
)

func TestTermOutweighsSeq(t *testing.T) {
	ordered := []Version{{}, {0, 1}, {1, 0}, {1, 1}, {1, 9}, {2, 1}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s compared with %s: %d", a, b, got)
			}
		}
		if a.IsZero() != (i == 0) {
			t.Errorf("%s is zero: %t", a, a.IsZero())
		}
	}
}

// A term follows the clock, but a clock that stands or runs backwards cannot make it repeat.
func TestNextTermIsAlwaysBeyondTheLast(t *testing.T) {
	now := time.UnixMilli(1_800_000_000_000)
	for _, c := range []struct {
		about string
		last  uint64
		now   time.Time
		want  uint64
	}{
		{"first start", 0, now, 1_800_000_000_000},
		{"a second later", 1_799_999_999_000, now, 1_800_000_000_000},
		{"within the same millisecond", 1_800_000_000_000, now, 1_800_000_000_001},
		{"the clock went back", 1_900_000_000_000, now, 1_900_000_000_001},
		{"the clock stands before 1970", 7, time.UnixMilli(-5), 8},
		{"no clock at all", 0, time.UnixMilli(0), 1},
	} {
		if got := NextTerm(c.last, c.now); got != c.want || got <= c.last {
			t.Errorf("%s: NextTerm(%d, %d) = %d, want %d", c.about, c.last, c.now.UnixMilli(), got, c.want)
		}
	}
}
