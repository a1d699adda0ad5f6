package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// row is one measured value, printed as one line.
type row struct {
	id    string // unique in a run, without spaces
	value float64
	unit  string
	// bound is what is promised of the value. The zero bound promises nothing.
	bound bound
	// floor is the least that the same way could take, measured in the same run and in the same unit. 0
	// means that there is none.
	floor float64
	// baseline is what somebody else's way to the same end gives, in the same unit. Without a name there
	// is none.
	baseline baseline
}

type baseline struct {
	name  string
	value float64
}

// String prints the row as
// bench <id> <value> <unit> [bound=<what> ok|BEYOND] [floor=<value> ratio=<r>] [baseline=<what> ratio=<r>].
func (r row) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "bench %s %.2f %s", r.id, r.value, r.unit)
	if r.bound != (bound{}) {
		fmt.Fprintf(&b, " bound=%s %s", r.bound, r.verdict())
	}
	if r.floor != 0 {
		fmt.Fprintf(&b, " floor=%.2f ratio=%.2f", r.floor, r.value/r.floor)
	}
	if r.baseline.name != "" {
		ratio := r.value / r.baseline.value
		if r.bound.unit == intoBaseline {
			ratio = 1 / ratio
		}
		fmt.Fprintf(&b, " baseline=%s ratio=%.2f", r.baseline.name, ratio)
	}
	return b.String()
}

// verdict says in a word whether the row keeps its bound.
func (r row) verdict() string {
	if r.keeps() {
		return "ok"
	}
	return "BEYOND"
}

// keeps reports whether the value, or its ratio to the baseline, is as promised. A row with a bound of its baseline or
// floor must have one.
func (r row) keeps() bool {
	value, limit := r.value, r.bound.limit+r.bound.floors*r.floor
	switch r.bound.unit {
	case ofBaseline:
		value /= r.baseline.value
	case intoBaseline:
		return r.baseline.value/value > limit
	}
	return r.bound == (bound{}) || value < limit || limit == 0 && value == 0
}

// percentiles are the rows that a series of samples is printed as.
var percentiles = []float64{50, 99}

// seriesIDs returns the ids of the rows that latencies makes of these series.
func seriesIDs(ids ...string) []string {
	var all []string
	for _, id := range ids {
		for _, p := range percentiles {
			all = append(all, percentileID(id, p))
		}
	}
	return all
}

func percentileID(id string, p float64) string { return fmt.Sprintf("%s/p%g", id, p) }

// latencies returns a row for each percentile of the samples, each beside the same percentile of the
// floor's samples. The floor may be nil.
func latencies(id string, samples, floor []time.Duration) []row {
	var rows []row
	for _, p := range percentiles {
		r := row{id: percentileID(id, p), value: milliseconds(percentile(samples, p)), unit: "ms"}
		if floor != nil {
			r.floor = milliseconds(percentile(floor, p))
		}
		rows = append(rows, r)
	}
	return rows
}

// spreadIDs returns the ids of the rows that spread makes of these series.
func spreadIDs(ids ...string) []string {
	var all []string
	for _, id := range ids {
		all = append(all, percentileID(id, 50), id+"/max")
	}
	return all
}

// spread returns the rows of a series that is too short for its 99th percentile.
func spread(id string, samples []time.Duration) []row {
	return []row{
		{id: percentileID(id, 50), value: milliseconds(percentile(samples, 50)), unit: "ms"},
		{id: id + "/max", value: milliseconds(slices.Max(samples)), unit: "ms"},
	}
}

// count returns a row of how often something was seen.
func count(id string, n int, unit string) row { return row{id: id, value: float64(n), unit: unit} }

// percentile returns the least of the samples that p percent of them do not exceed (nearest rank). There
// must be a sample, and p must be above 0 and at most 100.
func percentile(samples []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[int(math.Ceil(p*float64(len(sorted))/100))-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
