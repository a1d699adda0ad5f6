package federation

import (
	"testing"
	"time"
)

func TestADrainGoesInSteps(t *testing.T) {
	since := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	slow, once := Drain{since, 5 * time.Minute}, Drain{Since: since}
	for _, c := range []struct {
		of      Drain
		after   time.Duration
		percent uint8
		until   time.Duration // 0 for never
	}{
		{Drain{}, 0, 0, 0},
		{slow, -time.Hour, 0, 30 * time.Second},
		{slow, 0, 0, 30 * time.Second},
		{slow, 30*time.Second - 1, 0, 30 * time.Second},
		{slow, 30 * time.Second, 10, time.Minute},
		{slow, 4 * time.Minute, 80, 270 * time.Second},
		{slow, 5*time.Minute - 1, 90, 5 * time.Minute},
		{slow, 5 * time.Minute, 100, 0},
		{slow, 500 * time.Hour, 100, 0},
		{once, 0, 100, 0},
		{once, -time.Minute, 0, 0},
	} {
		percent, until := c.of.Taken(since.Add(c.after))
		want := time.Time{}
		if c.until != 0 || c.of == once && c.after < 0 {
			want = since.Add(c.until)
		}
		if percent != c.percent || !until.Equal(want) {
			t.Errorf("%v after %s: %d %% until %s, want %d until %s", c.of, c.after, percent, until, c.percent, want)
		}
	}
}

func TestADrainIsReadAsItIsWritten(t *testing.T) {
	d := Drain{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 90 * time.Second}
	if got, err := ParseDrain(d.String()); err != nil || got != d || d.String() != "2026-01-02T03:04:05Z/1m30s" {
		t.Errorf("%s is read as %v (%v)", d, got, err)
	}
	for _, text := range []string{"", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z/", "soon/5m", "2026-01-02T03:04:05Z/-5m", "2026-01-02T03:04:05Z/25h", "2026-01-02T03:04:05Z/1ms"} {
		if d, err := ParseDrain(text); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}
