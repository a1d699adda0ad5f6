package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write the reports into the golden files; read the diff before you keep it")

// TestReport reads each file of testdata: the registry, the packages that are tested, the events that
// go test -json printed of them, and the report that is made of it.
func TestReport(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sections := map[string]*txtar.File{}
			for i, f := range archive.Files {
				sections[f.Name] = &archive.Files[i]
			}
			rules, err := ParseRegistry(string(sections["registry"].Data))
			if err != nil {
				t.Fatal(err)
			}
			var packages []string
			for p := range strings.FieldsSeq(string(sections["packages"].Data)) {
				packages = append(packages, module+"/"+p)
			}
			results := NewResults(packages...)
			if err := results.Read(bytes.NewReader(sections["events"].Data), func(*unit) {}); err != nil {
				t.Fatal(err)
			}
			report := NewReport(rules, results)
			if n := strings.Count("\n"+report.Text, "\nFAIL "); n != report.Failed {
				t.Errorf("%d lines begin with FAIL, and %d were counted", n, report.Failed)
			}
			if want := sections["report"]; report.Text != string(want.Data) {
				if !*update {
					t.Fatalf("got\n%s\nwant\n%s", report.Text, want.Data)
				}
				want.Data = []byte(report.Text)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestReadTellsWhichPackagesEnded(t *testing.T) {
	events := `{"Action":"start","Package":"a"}
{"Action":"pass","Package":"a","Test":"TestA"}
{"Action":"pass","Package":"a","Elapsed":1.5}
{"Action":"start","Package":"b"}
{"Action":"fail","Package":"b","Elapsed":2}
`
	var ended []string
	err := NewResults("a", "b").Read(strings.NewReader(events), func(u *unit) { ended = append(ended, u.String()+" "+u.Result) })
	if err != nil || strings.Join(ended, ", ") != "a pass, b fail" {
		t.Errorf("ended: %v (%v)", ended, err)
	}
}

func TestParseRegistryRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"E1":               `rule "E1"`,
		"E1 | users":       `rule "E1 | users"`,
		"E1 is private |":  "perhaps | with a reason",
		"E1 a\nE2 b\nE1 c": "rule E1 is there twice",
		"| users":          `rule "| users"`,
	} {
		rules, err := ParseRegistry(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, error %v, want one about %s", text, rules, err, want)
		}
	}
}

// The registry itself has every rule, by an ID that tests can name.
func TestRegistry(t *testing.T) {
	rules, err := ParseRegistry(registry)
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, r := range rules {
		rule.Covers(naming{t}, r.ID)
		group := strings.TrimRight(r.ID, "0123456789")
		if strings.HasSuffix(r.ID, "Conflict") {
			group = "Conflict"
		}
		count[group]++
	}
	for group, want := range map[string]int{"C": 5, "E": 10, "I": 12, "Conflict": 9, "S": 11, "D": 13, "#": 62} {
		if count[group] != want {
			t.Errorf("%d rules of %s, want %d", count[group], group, want)
		}
	}
}

// naming checks the IDs as a test would, but proves nothing.
type naming struct{ testing.TB }

func (naming) Attr(string, string) {}
