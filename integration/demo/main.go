// Command demo shows the whole way on this machine: three real control planes, linked by hansa's own
// commands, and one service that is exported, used by every door, extended, withdrawn, and served through
// the death of an agent. Each check prints a line that begins with ok or FAIL.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	keep := flag.Bool("keep", false, "leave the clusters up, for looking around, until demo -down")
	down := flag.Bool("down", false, "end a demo that was left up")
	isKeeper := flag.Bool("keeper", false, "for demo -keep alone: be the process that owns the clusters")
	flag.Parse()
	ctx, stop := untilTold()
	defer stop()
	failed, err := false, error(nil)
	switch {
	case *down:
		err = endKept(ctx)
	case *keep:
		failed, err = startKeeper(ctx)
	case *isKeeper:
		failed, err = outcome(keeper(ctx))
	default:
		failed, err = outcome(run(ctx, func(*demo) {}))
	}
	if ctx.Err() != nil && !*keep { // a keeper says it itself
		err = errors.New("interrupted; nothing is left of it")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
	}
	if err != nil || failed {
		stop()
		os.Exit(1)
	}
}

func outcome(failures int, err error) (bool, error) { return failures > 0, err }

// run returns how many checks failed, after calling then; the error is of what could not be shown at
// all. Whatever it started has ended when it returns.
func run(ctx context.Context, then func(*demo)) (failed int, err error) {
	d := &demo{out: os.Stdout, began: time.Now(), shown: map[string]bool{}}
	defer func() {
		if stopErr := d.stop(); err == nil {
			err = stopErr
		}
	}()
	if err := d.start(ctx); err != nil {
		d.fail(ctx, err)
		return d.failed, ctx.Err()
	}
	for _, step := range steps {
		d.title(step.title)
		more := d.try(ctx, step)
		if ctx.Err() != nil {
			return d.failed, ctx.Err()
		}
		if !more {
			d.summary()
			return d.failed, nil
		}
	}
	d.report()
	d.summary()
	then(d)
	return d.failed, nil
}
