// Command bench measures on this machine how long changes take on their way through a real clusterset: three
// control planes, east, west and north, with an agent for each, all as processes of their own; and what it takes to
// hold and to follow the records of many clusters, without Kubernetes. For members without Kubernetes it starts itself
// once more, as bench peers and bench exporters.
//
// In: nothing but flags. Out: on standard output a line that says what the machine is, then one row for
// each value, as row.String prints it, and a line that counts them; progress goes to standard error. The command
// fails when a row is beyond what bounds promise of it. Owned here: the clusterset, from the start of the run to
// its end.
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
	"strings"
	"syscall"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/machine"
)

// A row has at least so many samples: with fewer, the 99th percentile is the luck of one of them.
const leastSamples = 200

// Each sample takes an address or a name that was never used, so there are only so many.
const mostSamples = 10000

// clusters are the members of the clusterset. Changes are made in east.
var clusters = []string{"east", "west", "north"}

// flags are what a run can be told.
type flags struct {
	samples  int           // of each series of changes
	restarts int           // of each series of takeovers and of cold starts
	span     time.Duration // of what is measured for a while
	run      string        // which rows
}

// bench is one run.
type bench struct {
	flags
	set      *clusterset.Clusterset
	progress io.Writer // for people
}

// group is rows that are measured together.
type group struct {
	name    string
	ids     []string     // of its rows
	alone   bool         // it needs no clusterset, or has its own
	needs   func() error // says what this machine lacks for it; nil if it needs nothing
	measure func(context.Context, *bench) ([]row, error)
}

// groups are measured in this order: first those that do without the clusterset, which would take cores from them;
// memory is last, so that it is what the others left.
var groups = []group{replication, xdsFanout, xdsMemory, xdsLoad, idle, pace, takeover, coldstart, status, autoExport, clustersetDNS, endpoint, export, thousand, memory}

func main() {
	var f flags
	flag.IntVar(&f.samples, "samples", 300, fmt.Sprintf("how many changes in each series, %d to %d", leastSamples, mostSamples))
	flag.IntVar(&f.restarts, "restarts", 5, "how many takeovers and cold starts in each series, at least 1")
	flag.StringVar(&f.run, "run", "", "measure only the groups with a row whose id matches this regular expression, and print only those rows")
	flag.DurationVar(&f.span, "for", 10*time.Minute, "how long the rows live/pace are measured; their bounds are meant for ten minutes, which a plain run takes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := func() error { return start(ctx, f) }
	switch flag.Arg(0) { // this command starts itself once more
	case "peers": // of live
		do = func() error { return runPeers(ctx, flag.Args()[1:]) }
	case "exporters": // of status
		do = func() error { return runExporters(ctx, flag.Args()[1:]) }
	case "xds-server":
		do = func() error { return runXDSServer(ctx, flag.Args()[1:]) }
	case "xds-member":
		do = func() error { return runXDSMember(ctx, flag.Args()[1:]) }
	case "xds-clients":
		do = func() error { return runXDSClients(ctx, flag.Args()[1:]) }
	}
	if err := do(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// start checks what the flags say, measures, and takes the clusterset down that measuring brought up.
func start(ctx context.Context, f flags) (err error) {
	chosen, wanted, err := f.check()
	if err != nil {
		return err
	}
	for _, g := range chosen { // before half an hour has passed
		if g.needs == nil {
			continue
		}
		if err := g.needs(); err != nil {
			return err
		}
	}
	m, err := machine.This(ctx)
	if err != nil {
		return err
	}
	fmt.Println("machine:", m)
	b := &bench{flags: f, progress: os.Stderr}
	if warning, err := m.Busy(); err != nil {
		return err
	} else if warning != "" {
		fmt.Fprintln(b.progress, "warning:", warning)
	}
	defer func() {
		if b.set != nil {
			err = errors.Join(err, b.set.Stop())
		}
	}()
	return b.measure(ctx, chosen, wanted)
}

// check returns the groups that the flags choose, and what the ids of their rows must match.
func (f flags) check() ([]group, *regexp.Regexp, error) {
	if f.samples < leastSamples || f.samples > mostSamples {
		return nil, nil, fmt.Errorf("-samples is %d, want %d to %d", f.samples, leastSamples, mostSamples)
	}
	if f.restarts < 1 {
		return nil, nil, fmt.Errorf("-restarts is %d, want at least 1", f.restarts)
	}
	if f.span <= 0 {
		return nil, nil, fmt.Errorf("-for is %s, want more than 0", f.span)
	}
	wanted, err := regexp.Compile(f.run)
	if err != nil {
		return nil, nil, fmt.Errorf("-run is %q, want a regular expression: %w", f.run, err)
	}
	chosen := choose(wanted)
	if len(chosen) == 0 {
		return nil, nil, fmt.Errorf("-run is %q, which matches no row", f.run)
	}
	return chosen, wanted, nil
}

// measure prints the wanted rows of the groups. Rows beyond their bound are an error, told when all is measured.
func (b *bench) measure(ctx context.Context, chosen []group, wanted *regexp.Regexp) error {
	var t tally
	began := time.Now()
	for i, g := range chosen {
		fmt.Fprintf(b.progress, "%s: group %d of %d, after %s\n", g.name, i+1, len(chosen), time.Since(began).Round(time.Second))
		before, err := machine.ReadCPU()
		if err != nil {
			return err
		}
		rows, err := b.rows(ctx, g)
		if err != nil {
			return fmt.Errorf("%s: %w", g.name, err)
		}
		after, err := machine.ReadCPU()
		if err != nil {
			return err
		}
		fmt.Fprintf(b.progress, "%s: the host kept %.1f %% of the cores' time from this machine\n", g.name, after.StolenSince(before))
		for _, r := range rows {
			if wanted.MatchString(r.id) {
				t.add(r)
				fmt.Println(r)
			}
		}
	}
	fmt.Println(t)
	if len(t.beyond) > 0 {
		return fmt.Errorf("beyond their bounds: %s", strings.Join(t.beyond, ", "))
	}
	return nil
}

// rows measures a group, for which it brings the clusterset up if nobody has before.
func (b *bench) rows(ctx context.Context, g group) (rows []row, err error) {
	if !g.alone && b.set == nil {
		b.set, err = clusterset.Start(ctx, clusterset.Config{Clusters: clusters, Output: b.progress})
		if err != nil {
			return nil, err
		}
	}
	if rows, err = g.measure(ctx, b); err != nil {
		return nil, err
	}
	return g.bound(rows)
}

// choose returns the groups that have a row which is wanted.
func choose(wanted *regexp.Regexp) []group {
	return slices.DeleteFunc(slices.Clone(groups), func(g group) bool {
		return !slices.ContainsFunc(g.ids, wanted.MatchString)
	})
}
