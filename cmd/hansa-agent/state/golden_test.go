package state

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what Decode and Encode say into the golden files; read the diff before you keep it")

// TestDecode holds each file of testdata to its promise: of the data in it, Decode reads what its section
// "want" says, and Encode writes what that says too.
func TestDecode(t *testing.T) {
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
			rule.CoversComment(t, archive.Comment)
			golden(t, file, archive)
		})
	}
}

func golden(t *testing.T, file string, archive *txtar.Archive) {
	t.Helper()
	if len(archive.Files) != 2 || archive.Files[0].Name != "data" || archive.Files[1].Name != "want" {
		t.Fatal("want the sections data and want")
	}
	data := map[string]string{}
	if err := yaml.UnmarshalStrict(archive.Files[0].Data, &data); err != nil {
		t.Fatal(err)
	}
	want, got := &archive.Files[1].Data, show(t, data)
	if got == string(*want) {
		return
	}
	if !*update {
		t.Fatalf("got\n%s\nwant\n%s", got, *want)
	}
	*want = []byte(got)
	if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// show writes down all that is read of data, and what of it is written differently.
func show(t *testing.T, data map[string]string) string {
	t.Helper()
	s, err := Decode(data)
	var b strings.Builder
	if s.Self != "" {
		fmt.Fprintf(&b, "self %s\n", s.Self)
	}
	fmt.Fprintf(&b, "term %d\n", s.Term)
	for _, c := range s.Clusters {
		heard := "never"
		if !c.Heard.IsZero() {
			heard = c.Heard.Format(time.RFC3339)
		}
		fmt.Fprintf(&b, "cluster %s uid %q addresses %q heard %s", c.ID, c.UID, c.Addresses, heard)
		for _, field := range slices.Sorted(maps.Keys(c.rest)) {
			fmt.Fprintf(&b, ", %s: %s", field, c.rest[field])
		}
		b.WriteString("\n")
	}
	for _, fault := range lines(err) {
		fmt.Fprintf(&b, "error: %v\n", fault)
	}
	written := Encode(s)
	for key := range data {
		if _, kept := written[key]; !kept {
			fmt.Fprintf(&b, "not written: %s\n", key)
		}
	}
	maps.DeleteFunc(written, func(key, value string) bool { return data[key] == value })
	if len(written) > 0 {
		text, err := yaml.Marshal(written)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "written differently:\n%s", text)
	}
	return b.String()
}
