// Command bench measures on this machine how long changes take on their way through a real clusterset: three
// control planes, east, west and north, with an agent for each, all as processes of their own; and what it takes to
// hold and to follow the records of many clusters, without Kubernetes. For the latter it starts itself once more, as
// bench peers.
//
// In: nothing but flags. Out: on standard output a line that says what the machine is, then one row for
// each value, as row.String prints it; progress goes to standard error. Each file of rows has one group,
// which groups names. Owned here: the clusterset, from the start of the run to its end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
)

// A row has at least so many samples: with fewer, the 99th percentile is the luck of one of them.
const leastSamples = 200

// Each sample takes an address or a name that was never used, so there are only so many.
const mostSamples = 10000

// clusters are the members of the clusterset. Changes are made in east.
var clusters = []string{"east", "west", "north"}

// bench is one run.
type bench struct {
	set      *clusterset.Clusterset
	samples  int           // of each series
	span     time.Duration // of what is measured for a while
	progress io.Writer     // for people
}

// group is rows that are measured together.
type group struct {
	ids     []string // of its rows
	alone   bool     // it needs no clusterset
	measure func(context.Context, *bench) ([]row, error)
}

// groups are measured in this order: first those that need no clusterset; memory is last, so that it is what the
// others left.
var groups = []group{replication, live, endpoint, export, thousand, memory}

func main() {
	samples := flag.Int("samples", 300, fmt.Sprintf("how many samples of each series, %d to %d", leastSamples, mostSamples))
	run := flag.String("run", "", "measure only the rows whose id matches this regular expression")
	span := flag.Duration("for", 30*time.Second, "how long to measure what is measured for a while")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := func() error { return start(ctx, *samples, *span, *run) }
	if flag.Arg(0) == "peers" { // live starts this command once more
		do = func() error { return runPeers(ctx, flag.Args()[1:]) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start checks what the flags say, brings the clusterset up, measures, and takes it down.
func start(ctx context.Context, samples int, span time.Duration, run string) (err error) {
	if samples < leastSamples || samples > mostSamples {
		return fmt.Errorf("-samples is %d, want %d to %d", samples, leastSamples, mostSamples)
	}
	wanted, err := regexp.Compile(run)
	if err != nil {
		return fmt.Errorf("-run is %q, want a regular expression: %w", run, err)
	}
	chosen := choose(wanted)
	if len(chosen) == 0 {
		return fmt.Errorf("-run is %q, which matches no row", run)
	}
	m, err := thisMachine(ctx)
	if err != nil {
		return err
	}
	fmt.Println(m)
	b := &bench{samples: samples, span: span, progress: os.Stderr}
	if warning, err := m.busy(); err != nil {
		return err
	} else if warning != "" {
		fmt.Fprintln(b.progress, "warning:", warning)
	}
	for _, g := range chosen {
		if !g.alone && b.set == nil {
			b.set, err = clusterset.Start(ctx, clusterset.Config{Clusters: clusters, Output: b.progress})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, b.set.Stop()) }()
		}
		rows, err := g.measure(ctx, b)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if wanted.MatchString(r.id) {
				fmt.Println(r)
			}
		}
	}
	return nil
}

// choose returns the groups that have a row which is wanted.
func choose(wanted *regexp.Regexp) []group {
	return slices.DeleteFunc(slices.Clone(groups), func(g group) bool {
		return !slices.ContainsFunc(g.ids, wanted.MatchString)
	})
}
