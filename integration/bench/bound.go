package main

import (
	"fmt"
	"slices"
)

// bound is what is promised of a row's value: that it is under the limit, or, where the limit is 0, that it is 0.
type bound struct {
	limit float64
	unit  string // the row's, or ofBaseline
}

// ofBaseline is the unit of a bound that is not of the value itself, but of its ratio to the row's baseline.
const ofBaseline = "x"

// String prints the bound as <250, as <0.5x, or as 0.
func (b bound) String() string {
	if b.limit == 0 {
		return "0"
	}
	if b.unit == ofBaseline {
		return fmt.Sprintf("<%gx", b.limit)
	}
	return fmt.Sprintf("<%g", b.limit)
}

// bounds are what is promised, by the id of the row. Floors, medians, and what only tells more of another row have none.
var bounds = map[string]bound{
	"replication/store/endpoint":      {200, "B"},
	"replication/patch/wire":          {1e3, "B"},
	"replication/reconnect/unchanged": {4e3, "B"},
	"replication/reconnect/leader":    {4e3, "B"},
	"replication/reconnect/restored":  {4e3, "B"},
	"replication/reconnect/one":       {300e3, "B"},
	"replication/reconnect/one/time":  {1e3, "ms"},
	"live/idle/cpu":                   {1, "%"},
	"live/pace/late/max":              {100, "ms"},
	"live/pace/owner/cpu":             {50, "%"},
	"live/pace/peer/cpu":              {50, "%"},
	"live/pace/owner/growth":          {flat, "MB"},
	"live/pace/peer/growth":           {flat, "MB"},
	"takeover/stop/lead/max":          {1e3, "ms"},
	"takeover/stop/change/max":        {1e3, "ms"},
	"takeover/stop/resent":            {0, "records"},
	"takeover/stop/lost":              {0, "objects"},
	"takeover/kill/lead/max":          {12e3, "ms"},
	"takeover/kill/change/max":        {12e3, "ms"},
	"takeover/kill/resent":            {0, "records"},
	"takeover/kill/lost":              {0, "objects"},
	"coldstart/xds/missing":           {0, "endpoints"},
	"coldstart/dns/negative":          {0, "answers"},
	"status/max":                      {300, "ms"},
	"auto-export/first-pass":          {60, "s"},
	"auto-export/idle":                {1, "%"},
	"dns-clusterip":                   {half, ofBaseline},
	"dns-srv":                         {half, ofBaseline},
	"dns-nxdomain":                    {half, ofBaseline},
	"dns-endpoint":                    {half, ofBaseline},
	"dns-headless":                    {fifth, ofBaseline},
	"endpoint/dns-behind-xds/p50":     {2, "ms"},
	"export/import/p99":               {250, "ms"},
	"export/conflict/p99":             {250, "ms"},
	"thousand/west/all":               {60, "s"},
	"thousand/memory/" + clusters[0]:  {resident, "MB"},
	"thousand/memory/" + clusters[1]:  {resident, "MB"},
	"thousand/memory/" + clusters[2]:  {resident, "MB"},
	"memory/" + clusters[0]:           {resident, "MB"},
	"memory/" + clusters[1]:           {resident, "MB"},
	"memory/" + clusters[2]:           {resident, "MB"},
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
// announced, when a bound is in another unit, or when it is of a baseline that is not there.
func (g group) bound(rows []row) ([]row, error) {
	var ids []string
	for i := range rows {
		r := &rows[i]
		ids = append(ids, r.id)
		r.bound = bounds[r.id]
		switch {
		case r.bound == (bound{}):
		case r.bound.unit == ofBaseline && r.baseline.name == "":
			return nil, fmt.Errorf("%s has no baseline, its bound is of one", r.id)
		case r.bound.unit != ofBaseline && r.bound.unit != r.unit:
			return nil, fmt.Errorf("%s is in %s, its bound in %s", r.id, r.unit, r.bound.unit)
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
