package main

import (
	"fmt"
	"slices"
)

// bound is what is promised of a row's value: that it is under the limit, or, where the limit is 0, that it is 0.
type bound struct {
	limit  float64
	unit   string  // the row's, or one of those below
	floors float64 // how many times the row's floor comes on top of the limit
}

// Units of bounds that are not of the value itself.
const (
	// ofBaseline is of the value's ratio to the row's baseline.
	ofBaseline = "x"
	// intoBaseline is of how many times the value goes into the row's baseline: more than the limit.
	intoBaseline = "x less"
)

// String prints the bound as <250, as <0.5x, as >30x, as <1.5xfloor+2, or as 0.
func (b bound) String() string {
	switch {
	case b.limit == 0:
		return "0"
	case b.unit == ofBaseline:
		return fmt.Sprintf("<%gx", b.limit)
	case b.unit == intoBaseline:
		return fmt.Sprintf(">%gx", b.limit)
	case b.floors != 0:
		return fmt.Sprintf("<%gxfloor+%g", b.floors, b.limit)
	}
	return fmt.Sprintf("<%g", b.limit)
}

// misses returns what is wrong with the bound as one of that row, "" if nothing is.
func (b bound) misses(r row) string {
	compares := b.unit == ofBaseline || b.unit == intoBaseline
	switch {
	case b == (bound{}):
		return ""
	case compares && r.baseline.name == "":
		return "has no baseline, its bound is of one"
	case b.floors != 0 && r.floor == 0:
		return "has no floor, its bound is of one"
	case !compares && b.unit != r.unit:
		return fmt.Sprintf("is in %s, its bound in %s", r.unit, b.unit)
	}
	return ""
}

// bounds are what is promised, by the id of the row. Floors, medians, and what only tells more of another row have none.
var bounds = map[string]bound{
	"replication/store/endpoint":      {limit: 200, unit: "B"},
	"replication/patch/wire":          {limit: 1e3, unit: "B"},
	"replication/reconnect/unchanged": {limit: 4e3, unit: "B"},
	"replication/reconnect/leader":    {limit: 4e3, unit: "B"},
	"replication/reconnect/restored":  {limit: 4e3, unit: "B"},
	"replication/reconnect/one":       {limit: 300e3, unit: "B"},
	"replication/reconnect/one/time":  {limit: 1e3, unit: "ms"},
	"xds-fanout":                      {limit: 30, unit: intoBaseline},
	"xds-memory/endpoint":             {limit: perEndpoint, unit: "B"},
	"xds-memory/connections":          {limit: resident, unit: "MB"},
	"xds-load/late/max":               {limit: 1e3, unit: "ms"},
	"xds-load/silence/max":            {limit: 2e3, unit: "ms"},
	"xds-load/suspected":              {limit: 0, unit: "suspicions"},
	"live/idle/cpu":                   {limit: 1, unit: "%"},
	"live/pace/late/max":              {limit: 100, unit: "ms"},
	"live/pace/owner/cpu":             {limit: 50, unit: "%"},
	"live/pace/peer/cpu":              {limit: 50, unit: "%"},
	"live/pace/owner/growth":          {limit: flat, unit: "MB"},
	"live/pace/peer/growth":           {limit: flat, unit: "MB"},
	"takeover/stop/lead/max":          {limit: 1e3, unit: "ms"},
	"takeover/stop/change/max":        {limit: 1e3, unit: "ms"},
	"takeover/stop/resent":            {limit: 0, unit: "records"},
	"takeover/stop/lost":              {limit: 0, unit: "objects"},
	"takeover/kill/lead/max":          {limit: 12e3, unit: "ms"},
	"takeover/kill/change/max":        {limit: 12e3, unit: "ms"},
	"takeover/kill/resent":            {limit: 0, unit: "records"},
	"takeover/kill/lost":              {limit: 0, unit: "objects"},
	"coldstart/xds/missing":           {limit: 0, unit: "endpoints"},
	"coldstart/dns/negative":          {limit: 0, unit: "answers"},
	"status/max":                      {limit: 300, unit: "ms"},
	"auto-export/first-pass":          {limit: 60, unit: "s"},
	"auto-export/idle":                {limit: 1, unit: "%"},
	"dns-clusterip":                   {limit: half, unit: ofBaseline},
	"dns-srv":                         {limit: half, unit: ofBaseline},
	"dns-nxdomain":                    {limit: half, unit: ofBaseline},
	"dns-endpoint":                    {limit: half, unit: ofBaseline},
	"dns-headless":                    {limit: fifth, unit: ofBaseline},
	"endpoint/xds/p50":                {limit: 2, unit: "ms", floors: 1.5},
	"endpoint/xds/p99":                {limit: 2, unit: "ms", floors: 2},
	"endpoint/busy/xds/p50":           {limit: 2 * 2, unit: "ms", floors: 2 * 1.5},
	"endpoint/busy/xds/p99":           {limit: 2 * 2, unit: "ms", floors: 2 * 2},
	"endpoint/busy/missed":            {limit: fewMissed, unit: "%"},
	"endpoint/dns-behind-xds/p50":     {limit: 2, unit: "ms"},
	"export/import/p99":               {limit: 250, unit: "ms"},
	"export/conflict/p99":             {limit: 250, unit: "ms"},
	"thousand/west/all":               {limit: 60, unit: "s"},
	"thousand/memory/" + clusters[0]:  {limit: resident, unit: "MB"},
	"thousand/memory/" + clusters[1]:  {limit: resident, unit: "MB"},
	"thousand/memory/" + clusters[2]:  {limit: resident, unit: "MB"},
	"memory/" + clusters[0]:           {limit: resident, unit: "MB"},
	"memory/" + clusters[1]:           {limit: resident, unit: "MB"},
	"memory/" + clusters[2]:           {limit: resident, unit: "MB"},
}

const (
	// flat is what memory may differ by that does not grow: where the garbage collector is between two rounds.
	// What kept 20 bytes of each change would grow by more within ten minutes.
	flat = 10
	// resident is what an agent may have.
	resident = 150
	// half and fifth are what an answer may take of what CoreDNS takes for it.
	half, fifth = 0.5, 0.2
)

// bound returns the rows with what is promised of them. It is an error when they are not those that the group
// announced, when a bound is in another unit, or when it is of a baseline or a floor that is not there.
func (g group) bound(rows []row) ([]row, error) {
	var ids []string
	for i := range rows {
		r := &rows[i]
		ids = append(ids, r.id)
		r.bound = bounds[r.id]
		if wrong := r.bound.misses(*r); wrong != "" {
			return nil, fmt.Errorf("%s %s", r.id, wrong)
		}
	}
	if got, want := slices.Sorted(slices.Values(ids)), slices.Sorted(slices.Values(g.ids)); !slices.Equal(got, want) {
		return nil, fmt.Errorf("the rows are %v, announced were %v", got, want)
	}
	return rows, nil
}

// tally counts rows.
type tally struct {
	rows, bounded int
	beyond        []string // ids
}

func (t *tally) add(r row) {
	t.rows++
	if r.bound != (bound{}) {
		t.bounded++
	}
	if !r.keeps() {
		t.beyond = append(t.beyond, r.id)
	}
}

// String prints the tally as the last line of a run.
func (t tally) String() string {
	return fmt.Sprintf("bench: %d rows, %d with a bound, %d beyond it", t.rows, t.bounded, len(t.beyond))
}
