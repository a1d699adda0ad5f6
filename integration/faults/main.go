package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/machine"
)

func main() {
	selected := flag.String("run", "", "the faults to run, such as 1,14,26; without it all")
	short := flag.Bool("short", false, "run with short timers: agents get small --demote-after and --withdraw-after")
	write := flag.String("write", "", "the file to write the table of results to, docs/faults.md; only if all faults ran and held")
	list := flag.Bool("list", false, "list the faults and run none")
	keep := flag.Bool("logs", false, "keep the agents' logs of every fault, not only of those that fail")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := start(ctx, options{*selected, *short, *write, *list, *keep}); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	selected string
	short    bool
	write    string
	list     bool
	logs     bool
}

func start(ctx context.Context, o options) error {
	t := fullTimers()
	if o.short {
		t = shortTimers()
	}
	chosen, err := choose(faults(t), o.selected)
	if err != nil {
		return err
	}
	if o.list {
		for _, f := range chosen {
			fmt.Printf("%-4s %s\n", f.id, f.title)
		}
		return nil
	}
	if o.write != "" && o.selected != "" {
		return errors.New("-write is of all faults, so it goes without -run")
	}
	if _, err := lab.Build(ctx, os.Stdout, true); err != nil { // once, so that no fault's time has it
		return err
	}
	on, err := here(ctx)
	if err != nil {
		return err
	}
	results := playAll(ctx, chosen, o.logs, os.Stdout)
	return report(ctx, on, results, o)
}

// here tells on which machine this is, and whether it has other work.
func here(ctx context.Context) (machine.Machine, error) {
	m, err := machine.This(ctx)
	if err != nil {
		return m, err
	}
	fmt.Println("machine:", m)
	warning, err := m.Busy()
	if warning != "" {
		fmt.Println("warning:", warning)
	}
	return m, err
}

// choose returns the faults of a list of numbers, all for none.
func choose(all []fault, selected string) ([]fault, error) {
	if selected == "" {
		return all, nil
	}
	var chosen []fault
	for id := range strings.SplitSeq(selected, ",") {
		i := slices.IndexFunc(all, func(f fault) bool { return f.id == strings.TrimSpace(id) })
		if i < 0 {
			return nil, fmt.Errorf("-run %q: there is no fault %q; -list names them", selected, id)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

func playAll(ctx context.Context, chosen []fault, logs bool, out io.Writer) (results []result) {
	for _, f := range chosen {
		if ctx.Err() != nil {
			break
		}
		res := play(ctx, f, logs, out)
		fmt.Fprintf(out, "%s. %s (%s)\n", f.id, res.outcome(), round(res.took))
		results = append(results, res)
	}
	return results
}

// report prints the table and writes the document.
func report(ctx context.Context, on machine.Machine, results []result, o options) error {
	var rows [][]string
	failed := 0
	for _, r := range results {
		rows = append(rows, r.cells())
		if r.failed != nil {
			failed++
		}
	}
	fmt.Printf("\n%s\nfaults: %d held, %d failed\n", markdown(heading, rows), len(results)-failed, failed)
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; nothing is left of it")
	case failed > 0:
		return fmt.Errorf("%w: %d of %d", errAsserted, failed, len(results))
	case o.write == "":
		return nil
	}
	return os.WriteFile(o.write, []byte(document(on.String(), results, o.short)), 0o644)
}
