package main

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// numbers are the faults that runs with real processes are to show; M1 and M2 are what must hold.
const numbers = "1 2 3 4 5 6 8 9 10 11 14 15 16 18 20 22 24 25 26 41 42 43 47 48 52 M1 M2"

func TestEveryNumberHasItsFault(t *testing.T) {
	for _, timers := range []timers{fullTimers(), shortTimers()} {
		seen := map[string]int{}
		for _, f := range faults(timers) {
			seen[f.id]++
			if f.title == "" || f.sees == "" || f.holds == "" || len(f.clusters) < 2 || len(f.steps) == 0 {
				t.Errorf("fault %s lacks something: %+v", f.id, f)
			}
		}
		for id := range strings.FieldsSeq(numbers) {
			if seen[id] != 1 {
				t.Errorf("fault %s is there %d times", id, seen[id])
			}
			delete(seen, id)
		}
		if len(seen) > 0 {
			t.Errorf("not in the list: %v", seen)
		}
	}
}

func TestFaultsAreChosenByNumber(t *testing.T) {
	all := faults(shortTimers())
	chosen, err := choose(all, "14, M1")
	if err != nil || len(chosen) != 2 || chosen[0].id != "14" || chosen[1].id != "M1" {
		t.Errorf("%+v, %v", chosen, err)
	}
	if _, err := choose(all, "14,7"); err == nil || !strings.Contains(err.Error(), `no fault "7"`) {
		t.Errorf("err = %v", err)
	}
	if chosen, err := choose(all, ""); err != nil || len(chosen) != len(all) {
		t.Errorf("%d of %d, %v", len(chosen), len(all), err)
	}
}

func TestTheTableHasWhatWasMeasuredAndLost(t *testing.T) {
	r := result{fault: fault{id: "9", title: "a | b", sees: "nothing", holds: "it holds"}, measured: []measurement{{"back in", 1234 * time.Millisecond}, {"seen in", 3 * time.Millisecond}}}
	r.counts[byXDS] = tally{asked: 10, lost: 2}
	want := "| fault |\n|---|\n| 9. a \\| b | nothing | back in 1.2s; seen in 3ms | 0/0 2/10 0/0 | held: it holds |\n"
	if got := markdown([]string{"fault"}, [][]string{r.cells()}); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	r.failed = errors.New("line\nbreak")
	if got := r.outcome(); got != "FAILED: line; break" {
		t.Errorf("outcome %q", got)
	}
	if page := document("Some CPU", []result{r}, true); !strings.Contains(page, "Some CPU") || !strings.Contains(page, "-run 9") || !strings.Contains(page, "short timers") {
		t.Errorf("page\n%s", page)
	}
}
