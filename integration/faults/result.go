package main

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// result is what came of a fault.
type result struct {
	fault
	measured []measurement
	counts   [doors]tally
	failed   error // nil if the outcome was as asserted
	took     time.Duration
}

func (r *run) result(err error) result {
	res := result{fault: r.fault, measured: r.measured, failed: err}
	for _, u := range r.users {
		counts, _ := u.result()
		for d := range doors {
			res.counts[d].asked += counts[d].asked
			res.counts[d].lost += counts[d].lost
		}
	}
	return res
}

// times is all that was measured.
func (r result) times() string {
	var parts []string
	for _, m := range r.measured {
		parts = append(parts, fmt.Sprintf("%s %s", m.what, round(m.took)))
	}
	return strings.Join(parts, "; ")
}

// lost is how many requests were lost by each door, of how many.
func (r result) lost() string {
	var parts []string
	for _, c := range r.counts {
		parts = append(parts, fmt.Sprintf("%d/%d", c.lost, c.asked))
	}
	return strings.Join(parts, " ")
}

// outcome is what was asserted, or why it did not hold.
func (r result) outcome() string {
	if r.failed != nil {
		return "FAILED: " + strings.ReplaceAll(r.failed.Error(), "\n", "; ")
	}
	return "held: " + r.holds
}

// round leaves as many digits as matter.
func round(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	case d < time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Millisecond)
}

// heading are the columns of the table.
var heading = []string{"fault", "what a user sees", "measured", "lost requests: DNS xDS slices", "outcome"}

func (r result) cells() []string {
	times := r.times()
	if times == "" {
		times = "–"
	}
	return []string{r.id + ". " + r.title, r.sees, times, r.lost(), r.outcome()}
}

// markdown is the table of results.
func markdown(heading []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(c, "|", `\|`)
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	line(append([]string(nil), heading...))
	b.WriteString(strings.Repeat("|---", len(heading)) + "|\n")
	for _, r := range rows {
		line(append([]string(nil), r...))
	}
	return b.String()
}

// errAsserted is the outcome of a run in which some outcome was not as asserted.
var errAsserted = errors.New("not every outcome was as asserted")
