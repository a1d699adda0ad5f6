package main

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestPercentileIsOfTheNearestRank(t *testing.T) {
	for _, c := range []struct {
		name    string
		samples int // 1 ms, 2 ms, 3 ms, …, shuffled
		p       float64
		want    time.Duration
	}{
		{"of one sample every percentile is that one", 1, 50, 1},
		{"of one sample, high", 1, 99, 1},
		{"the median of an odd number is the middle", 5, 50, 3},
		{"the median of an even number is the lower middle", 4, 50, 2},
		{"99 of 100", 100, 99, 99},
		{"99 of 200 leaves two above", 200, 99, 198},
		{"99 of 300 leaves three above", 300, 99, 297},
		{"99 of fewer than 100 is the greatest", 99, 99, 99},
		{"100 is the greatest", 200, 100, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			samples := make([]time.Duration, c.samples)
			for i, rank := range rand.Perm(c.samples) {
				samples[i] = time.Duration(rank+1) * time.Millisecond
			}
			before := slices.Clone(samples)
			if got := percentile(samples, c.p); got != c.want*time.Millisecond {
				t.Errorf("percentile %g of %d samples is %s, want %s", c.p, c.samples, got, c.want*time.Millisecond)
			}
			if !slices.Equal(samples, before) {
				t.Error("percentile reordered its samples")
			}
		})
	}
}

func TestRowsArePrintedAsOneLine(t *testing.T) {
	for _, c := range []struct {
		row  row
		want string
	}{
		{row{id: "memory/east", value: 41.256, unit: "MB"}, "bench memory/east 41.26 MB"},
		{row{id: "endpoint/xds/p50", value: 3, unit: "ms", floor: 2}, "bench endpoint/xds/p50 3.00 ms floor=2.00 ratio=1.50"},
		{
			row{id: "dns/rate", value: 50000, unit: "queries/s", baseline: baseline{"coredns", 40000}},
			"bench dns/rate 50000.00 queries/s baseline=coredns ratio=1.25",
		},
		{
			row{id: "a", value: 6, unit: "ms", floor: 2, baseline: baseline{"other", 60}},
			"bench a 6.00 ms floor=2.00 ratio=3.00 baseline=other ratio=0.10",
		},
		{
			row{id: "export/import/p99", value: 249.99, unit: "ms", bound: bound{limit: 250, unit: "ms"}, floor: 10},
			"bench export/import/p99 249.99 ms bound=<250 ok floor=10.00 ratio=25.00",
		},
		{row{id: "export/import/p99", value: 250, unit: "ms", bound: bound{limit: 250, unit: "ms"}}, "bench export/import/p99 250.00 ms bound=<250 BEYOND"},
		{row{id: "reconnect/one", value: 80312, unit: "B", bound: bound{limit: 300e3, unit: "B"}}, "bench reconnect/one 80312.00 B bound=<300000 ok"},
		{
			row{id: "dns-srv", value: 4.99, unit: "µs", bound: bound{limit: 0.5, unit: ofBaseline}, baseline: baseline{"coredns", 10}},
			"bench dns-srv 4.99 µs bound=<0.5x ok baseline=coredns ratio=0.50",
		},
		{
			row{id: "dns-srv", value: 5, unit: "µs", bound: bound{limit: 0.5, unit: ofBaseline}, baseline: baseline{"coredns", 10}},
			"bench dns-srv 5.00 µs bound=<0.5x BEYOND baseline=coredns ratio=0.50",
		},
		{
			row{id: "xds-fanout", value: 2, unit: "ms", bound: bound{limit: 30, unit: intoBaseline}, baseline: baseline{"LinearCache", 61}},
			"bench xds-fanout 2.00 ms bound=>30x ok baseline=LinearCache ratio=30.50",
		},
		{
			row{id: "xds-fanout", value: 2, unit: "ms", bound: bound{limit: 30, unit: intoBaseline}, baseline: baseline{"LinearCache", 60}},
			"bench xds-fanout 2.00 ms bound=>30x BEYOND baseline=LinearCache ratio=30.00",
		},
		{
			row{id: "endpoint/xds/p50", value: 7.99, unit: "ms", bound: bound{limit: 2, unit: "ms", floors: 1.5}, floor: 4},
			"bench endpoint/xds/p50 7.99 ms bound=<1.5xfloor+2 ok floor=4.00 ratio=2.00",
		},
		{
			row{id: "endpoint/xds/p50", value: 8, unit: "ms", bound: bound{limit: 2, unit: "ms", floors: 1.5}, floor: 4},
			"bench endpoint/xds/p50 8.00 ms bound=<1.5xfloor+2 BEYOND floor=4.00 ratio=2.00",
		},
		{row{id: "takeover/lost", unit: "objects", bound: bound{limit: 0, unit: "objects"}}, "bench takeover/lost 0.00 objects bound=0 ok"},
		{row{id: "takeover/lost", value: 1, unit: "objects", bound: bound{limit: 0, unit: "objects"}}, "bench takeover/lost 1.00 objects bound=0 BEYOND"},
	} {
		if got := c.row.String(); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func TestLatenciesCompareTheSamePercentileOfTheFloor(t *testing.T) {
	samples := []time.Duration{4 * time.Millisecond, 2 * time.Millisecond, 9 * time.Millisecond}
	floor := []time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond}
	var got, ids []string
	for _, r := range latencies("way", samples, floor) {
		got, ids = append(got, r.String()), append(ids, r.id)
	}
	want := []string{"bench way/p50 4.00 ms floor=2.00 ratio=2.00", "bench way/p99 9.00 ms floor=3.00 ratio=3.00"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(ids, seriesIDs("way")) {
		t.Errorf("the rows are %v, announced were %v", ids, seriesIDs("way"))
	}
	if r := latencies("floor", floor, nil)[0].String(); r != "bench floor/p50 2.00 ms" {
		t.Errorf("a floor alone is printed as %q", r)
	}
}

func TestSpreadIsTheMedianAndTheWorst(t *testing.T) {
	samples := []time.Duration{4 * time.Millisecond, 2 * time.Millisecond, 9 * time.Millisecond}
	var got, ids []string
	for _, r := range spread("way", samples) {
		got, ids = append(got, r.String()), append(ids, r.id)
	}
	if want := []string{"bench way/p50 4.00 ms", "bench way/max 9.00 ms"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if !slices.Equal(ids, spreadIDs("way")) {
		t.Errorf("the rows are %v, announced were %v", ids, spreadIDs("way"))
	}
}
