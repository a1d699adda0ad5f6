package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// event is what `go test -json` says of a test, a package or a build.
type event struct {
	Action      string
	Package     string
	Test        string
	Elapsed     float64
	Output      string
	Key, Value  string // of an attribute
	ImportPath  string // of a build
	FailedBuild string
}

// unit is one test, or a package if it has no name.
type unit struct {
	Package, Name string
	Rules         []string // that the test names
	Result        string   // pass, fail or skip; "" if it never ended
	Output        []string
	Elapsed       float64
	build         string // that failed
}

// String names the unit for people.
func (u *unit) String() string {
	short := strings.TrimPrefix(u.Package, module+"/")
	if u.Name == "" {
		return short
	}
	return short + "." + u.Name
}

// passed reports whether the unit ran to its end, and was content.
func (u *unit) passed() bool { return u.Result == "pass" }

// below reports whether u is a test in t, which is another one or a package.
func (u *unit) below(t *unit) bool {
	return u.Package == t.Package && u != t && (t.Name == "" || strings.HasPrefix(u.Name, t.Name+"/"))
}

// Results is what came of all tests, in the order in which they began.
type Results struct {
	units  []*unit
	known  map[[2]string]*unit
	builds map[string][]string // output of the compiler, by import path
	other  []string            // lines that are no events
}

// NewResults returns the Results of packages of which nothing is known yet.
func NewResults(packages ...string) *Results {
	r := &Results{known: map[[2]string]*unit{}, builds: map[string][]string{}}
	for _, p := range packages {
		r.unit(p, "")
	}
	return r
}

func (r *Results) unit(pkg, name string) *unit {
	key := [2]string{pkg, name}
	if r.known[key] == nil {
		r.known[key] = &unit{Package: pkg, Name: name}
		r.units = append(r.units, r.known[key])
	}
	return r.known[key]
}

// Read takes events from in until it ends, and calls ended for each package that ends.
func (r *Results) Read(in io.Reader, ended func(*unit)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20) // a test may say much in a line
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			r.other = append(r.other, lines.Text())
			continue
		}
		if u := r.take(e); u != nil && u.Name == "" && u.Result != "" {
			ended(u)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading test events: %w", err)
	}
	return nil
}

// take returns the unit that ended by the event, if one did.
func (r *Results) take(e event) *unit {
	if e.Action == "build-output" {
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	}
	if e.Package == "" {
		return nil
	}
	u := r.unit(e.Package, e.Test)
	switch e.Action {
	case "attr":
		if e.Key == rule.Attribute && !slices.Contains(u.Rules, e.Value) {
			u.Rules = append(u.Rules, e.Value)
		}
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			u.Output = append(u.Output, e.Output)
		}
	case "pass", "fail", "skip":
		u.Result, u.Elapsed, u.build = e.Action, e.Elapsed, e.FailedBuild
		return u
	}
	return nil
}
