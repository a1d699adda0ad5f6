package main

import (
	"fmt"
	"slices"
	"strings"
)

// Report is what people read of Results.
type Report struct {
	Text   string
	Failed int // lines that begin with FAIL
}

// reporter writes a Report.
type reporter struct {
	strings.Builder
	results        *Results
	passed, failed int
	shown          map[*unit]bool // whose output was written
}

// NewReport says of each rule whether it holds: it does if a test names it and all that do passed. What else
// went wrong follows, so that nothing is green by not being there: tests that name no rule, or an unknown
// one, and packages that did not build or end. Last come the rules that no test names, with the reason.
func NewReport(rules []Rule, results *Results) Report {
	r := &reporter{results: results, shown: map[*unit]bool{}}
	var without []Rule
	for _, rule := range rules {
		if rule.Reason != "" && len(r.naming(rule.ID)) == 0 {
			without = append(without, rule)
			continue
		}
		r.rule(rule)
	}
	r.unknownRules(rules)
	r.otherTests()
	r.packages()
	for _, rule := range without {
		fmt.Fprintf(r, "-- %s %s: %s\n", rule.ID, rule.What, rule.Reason)
	}
	fmt.Fprintf(r, "rules: %d passed, %d failed, %d not covered\n", r.passed, r.failed, len(without))
	return Report{Text: r.String(), Failed: r.failed}
}

func (r *reporter) naming(id string) []*unit {
	var tests []*unit
	for _, u := range r.results.units {
		if slices.Contains(u.Rules, id) {
			tests = append(tests, u)
		}
	}
	return tests
}

func (r *reporter) rule(rule Rule) {
	tests := r.naming(rule.ID)
	bad := slices.DeleteFunc(slices.Clone(tests), (*unit).passed)
	switch {
	case len(tests) == 0:
		r.fail("%s %s", rule.ID, rule.What)
		fmt.Fprintf(r, "    no test names it\n")
	case len(bad) > 0:
		r.fail("%s %s", rule.ID, rule.What)
		for _, t := range bad {
			r.show(t)
		}
	default:
		r.passed++
		fmt.Fprintf(r, "ok %s %s\n", rule.ID, rule.What)
	}
}

func (r *reporter) fail(format string, args ...any) {
	r.failed++
	fmt.Fprintf(r, "FAIL "+format+"\n", args...)
}

// show writes what a test said, and those below it that did not pass; once.
func (r *reporter) show(t *unit) {
	how := map[string]string{"fail": "failed", "skip": "was skipped", "": "did not end", "pass": "passed"}[t.Result]
	if r.shown[t] {
		fmt.Fprintf(r, "    %s %s: see above\n", t, how)
		return
	}
	r.shown[t] = true
	fmt.Fprintf(r, "    %s %s\n", t, how)
	r.quote(t.Output)
	for _, u := range r.results.units {
		if t.Name != "" && u.below(t) && !u.passed() && !r.shown[u] {
			r.show(u)
		}
	}
}

func (r *reporter) quote(output []string) {
	for line := range strings.Lines(strings.Join(output, "")) {
		fmt.Fprintf(r, "        %s\n", strings.TrimRight(line, "\n"))
	}
}

// unknownRules fails the tests that name a rule which is not there.
func (r *reporter) unknownRules(rules []Rule) {
	known := map[string]bool{}
	for _, rule := range rules {
		known[rule.ID] = true
	}
	for _, u := range r.results.units {
		for _, id := range u.Rules {
			if !known[id] {
				r.fail("%s no such rule: %s names it", id, u)
			}
		}
	}
}

// otherTests fails with the tests that did not pass and are under no rule above. One that only failed with a
// test below it is not told apart.
func (r *reporter) otherTests() {
	for _, u := range r.results.units {
		below := func(v *unit) bool { return v.below(u) && v.bad() }
		if u.Name != "" && u.bad() && !r.shown[u] && !slices.ContainsFunc(r.results.units, below) {
			r.fail("%s, which names no rule", u)
			r.shown[u] = true
			r.quote(u.Output)
		}
	}
}

// bad reports whether a test that names no rule says that something is wrong: one may be skipped.
func (u *unit) bad() bool { return u.Result != "pass" && u.Result != "skip" }

// packages fails with those that did not pass, and that no test of theirs explains.
func (r *reporter) packages() {
	for _, p := range r.results.units {
		below := func(v *unit) bool { return v.below(p) && v.Result == "fail" }
		if p.Name != "" || p.passed() || p.Result == "fail" && slices.ContainsFunc(r.results.units, below) {
			continue
		}
		switch {
		case p.build != "":
			r.fail("%s does not build", p)
			r.quote(r.results.builds[p.build])
		case p.Result == "skip":
			r.fail("%s has no tests", p)
		case p.Result == "":
			r.fail("%s did not end", p)
			r.quote(append(p.Output, r.results.other...))
		default:
			r.fail("%s failed", p)
			r.quote(p.Output)
		}
	}
}
