package federation

import (
	"fmt"
	"strings"
	"time"
)

// Drain is the wish that a cluster's endpoints get less and less of the traffic, and none in the end, while others have
// some. Its zero value is none.
type Drain struct {
	Since time.Time     // in whole seconds
	Over  time.Duration // in whole seconds; 0 for at once
}

// MaxDrain is the longest Over.
const MaxDrain = 24 * time.Hour

// drainSteps is in how many steps a drain goes: each is a change of every service of the cluster, in all clusters.
const drainSteps = 10

// Given reports whether there is one.
func (d Drain) Given() bool { return !d.Since.IsZero() }

// Taken returns how many percent of its traffic a cluster has lost by now, in steps of 10, and when that changes; the zero
// time for never. It goes by the clock of who asks: one that is wrong by a minute drains a minute sooner or later.
func (d Drain) Taken(now time.Time) (percent uint8, until time.Time) {
	if !d.Given() {
		return 0, time.Time{}
	}
	end := d.Since.Add(d.Over)
	if !now.Before(end) {
		return 100, time.Time{}
	}
	step := d.Over / drainSteps
	if now.Before(d.Since) {
		return 0, d.Since.Add(step)
	}
	steps := now.Sub(d.Since) / step
	return uint8(steps * (100 / drainSteps)), d.Since.Add((steps + 1) * step)
}

func (d Drain) check() error {
	if d.Over < 0 || d.Over > MaxDrain || d.Over%time.Second != 0 || !d.Given() && d.Over != 0 {
		return fmt.Errorf("drain over %s: want whole seconds, at most %s", d.Over, MaxDrain)
	}
	if y := d.Since.UTC().Year(); d.Given() && (y < 1970 || y > 9999) {
		return fmt.Errorf("drain since %s: want a year from 1970 to 9999", d.Since.Format(time.RFC3339))
	}
	return nil
}

// String writes a Drain as ParseDrain reads it: "2026-01-02T03:04:05Z/5m0s".
func (d Drain) String() string { return d.Since.UTC().Format(time.RFC3339) + "/" + d.Over.String() }

// ParseDrain reads what String writes.
func ParseDrain(text string) (Drain, error) {
	since, over, found := strings.Cut(text, "/")
	at, err := time.Parse(time.RFC3339, since)
	if !found || err != nil {
		return Drain{}, fmt.Errorf("drain %q: want a time and a duration, such as 2026-01-02T03:04:05Z/5m", clip(text))
	}
	d := Drain{Since: at.UTC()}
	if d.Over, err = time.ParseDuration(over); err != nil {
		return Drain{}, fmt.Errorf("drain %q: want a time and a duration, such as 2026-01-02T03:04:05Z/5m", clip(text))
	}
	return d, d.check()
}
