// Command sim plays clustersets by seeds and prints what happened to them.
//
// In: which seeds. Out: the seeds that broke an invariant, each with the command that plays it again, and counts of
// what happened; with -trace, all that happens in one seed. Owned here: flags and printing; see package sim.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/hansa-mcs/hansa/integration/sim"
)

func main() {
	seeds := flag.Uint64("seeds", 10_000, "how many seeds to play")
	first := flag.Uint64("first", 0, "the first of them")
	one := flag.Int64("seed", -1, "play this seed alone")
	trace := flag.Bool("trace", false, "tell all that happens; of one seed alone")
	broken := flag.Bool("broken", false, "expect that an invariant breaks, as in a build with a mutant; the first that does ends the run")
	flag.Parse()
	var ok bool
	switch {
	case *one >= 0:
		ok = playOne(uint64(*one), *trace)
	case *broken:
		ok = playBroken(*first, *seeds)
	default:
		ok = playMany(*first, *seeds)
	}
	if !ok {
		os.Exit(1)
	}
}

func playOne(seed uint64, trace bool) bool {
	var r sim.Result
	if trace {
		out := bufio.NewWriter(os.Stdout)
		r = sim.Run(seed, out)
		_ = out.Flush()
	} else {
		r = sim.Run(seed, nil)
	}
	fmt.Printf("seed %d: %s\n", seed, r)
	r.Stats.Write(os.Stdout)
	if r.Failure != nil {
		fmt.Println(r.Failure)
	}
	return r.Failure == nil
}

// playBroken reports whether an invariant broke, and which.
func playBroken(first, seeds uint64) bool {
	total := sim.RunMany(first, seeds, func(t *sim.Total) bool { return len(t.Failures) == 0 })
	if len(total.Failures) == 0 {
		fmt.Printf("not caught by %d seeds\n", total.Seeds)
		return false
	}
	f := total.Failures[0]
	fmt.Printf("caught by seed %d, after %d seeds: %s\n", f.Seed, total.Seeds, f.Invariant)
	return true
}

// mostFailures is how many seeds may fail before the others are spared.
const mostFailures = 10

func playMany(first, seeds uint64) bool {
	began, told := time.Now(), 0
	total := sim.RunMany(first, seeds, func(t *sim.Total) bool {
		if every := int(max(seeds/20, 1)); t.Seeds%every == 0 {
			fmt.Printf("%d of %d seeds, %s\n", t.Seeds, seeds, time.Since(began).Round(time.Second))
		}
		for ; told < len(t.Failures); told++ {
			fmt.Println(t.Failures[told])
		}
		return told < mostFailures
	})
	fmt.Printf("\n%d seeds in %s: %d clusters, up to %d in one clusterset, for %s of their time; after the last fault all agreed within %s at most\n",
		total.Seeds, time.Since(began).Round(time.Second), total.Members, total.Largest, total.Played.Round(time.Minute), total.Slowest)
	total.Stats.Write(os.Stdout)
	missing := total.Stats.Missing()
	for _, what := range missing {
		fmt.Printf("never happened: %s\n", what)
	}
	fmt.Printf("%d seeds failed\n", len(total.Failures))
	return len(total.Failures) == 0 && len(missing) == 0
}
