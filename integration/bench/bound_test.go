package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestBoundsAreOfRows(t *testing.T) {
	all := map[string]bool{}
	for _, g := range groups {
		for _, id := range g.ids {
			if all[id] {
				t.Errorf("%s is a row twice", id)
			}
			all[id] = true
		}
	}
	for id := range maps.Keys(bounds) {
		if !all[id] {
			t.Errorf("a bound is of %s, which no group measures", id)
		}
	}
}

func TestRowsGetTheirBounds(t *testing.T) {
	g := group{name: "export", ids: []string{"export/import/p50", "export/import/p99"}}
	for _, c := range []struct {
		name string
		rows []row
		want string // the rows, or what the error says
	}{
		{
			"in any order", []row{{id: "export/import/p99", value: 1, unit: "ms"}, {id: "export/import/p50", value: 1, unit: "ms"}},
			"bench export/import/p99 1.00 ms bound=<250 ok\nbench export/import/p50 1.00 ms",
		},
		{"in another unit", []row{{id: "export/import/p99", unit: "s"}, {id: "export/import/p50", unit: "ms"}}, "export/import/p99 is in s, its bound in ms"},
		{
			"without a baseline", []row{{id: "export/import/p50", unit: "ms"}, {id: "xds-fanout", unit: "ms"}},
			"xds-fanout has no baseline, its bound is of one",
		},
		{
			"without a floor", []row{{id: "endpoint/xds/p50", unit: "ms"}, {id: "export/import/p50", unit: "ms"}},
			"endpoint/xds/p50 has no floor, its bound is of one",
		},
		{"one is missing", []row{{id: "export/import/p99", unit: "ms"}}, "announced were [export/import/p50 export/import/p99]"},
		{
			"one is too many", []row{{id: "export/import/p99", unit: "ms"}, {id: "export/import/p50", unit: "ms"}, {id: "export/other", unit: "ms"}},
			"announced were [export/import/p50 export/import/p99]",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows, err := g.bound(c.rows)
			if err != nil {
				if !strings.HasSuffix(err.Error(), c.want) {
					t.Errorf("err = %v, want %s", err, c.want)
				}
				return
			}
			var lines []string
			for _, r := range rows {
				lines = append(lines, r.String())
			}
			if got := strings.Join(lines, "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestTallyNamesWhatIsBeyond(t *testing.T) {
	var got tally
	for _, r := range []row{
		{id: "free", value: 1e9, unit: "ms"},
		{id: "kept", value: 1, unit: "ms", bound: bound{limit: 2, unit: "ms"}},
		{id: "beyond", value: 2, unit: "ms", bound: bound{limit: 2, unit: "ms"}},
		{id: "some", value: 1, unit: "objects", bound: bound{limit: 0, unit: "objects"}},
	} {
		got.add(r)
	}
	if want := "bench: 4 rows, 3 with a bound, 2 beyond it"; got.String() != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := []string{"beyond", "some"}; !slices.Equal(got.beyond, want) {
		t.Errorf("beyond are %v, want %v", got.beyond, want)
	}
}

func TestMistakesInFlagsAreNamed(t *testing.T) {
	good := flags{samples: leastSamples, restarts: 1, span: 1}
	if chosen, _, err := good.check(); err != nil || len(chosen) != len(groups) {
		t.Errorf("%d groups are chosen (%v), want all %d", len(chosen), err, len(groups))
	}
	for want, change := range map[string]func(*flags){
		"-samples is 199, want 200 to 10000":            func(f *flags) { f.samples = leastSamples - 1 },
		"-samples is 10001, want 200 to 10000":          func(f *flags) { f.samples = mostSamples + 1 },
		"-restarts is 0, want at least 1":               func(f *flags) { f.restarts = 0 },
		"-for is 0s, want more than 0":                  func(f *flags) { f.span = 0 },
		`-run is "nothing", which matches no row`:       func(f *flags) { f.run = "nothing" },
		`-run is "(", want a regular expression: error`: func(f *flags) { f.run = "(" },
	} {
		f := good
		change(&f)
		if _, _, err := f.check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestOnlyGroupsOfWantedRowsAreMeasured(t *testing.T) {
	chosen, wanted, err := flags{samples: leastSamples, restarts: 1, span: 1, run: "^live/idle|/dns/"}.check()
	var names []string
	for _, g := range chosen {
		names = append(names, g.name)
	}
	if want := []string{"idle", "coldstart", "endpoint"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("chosen are %v (%v), want %v", names, err, want)
	}
	if wanted.MatchString("live/pace/late/max") {
		t.Error("a row is wanted that does not match")
	}
}
