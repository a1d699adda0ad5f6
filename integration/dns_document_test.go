package integration

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Who chooses between the two ways in reads of every difference that is known, and of no other.
func TestTheDNSDocumentListsEveryDeviation(t *testing.T) {
	text, err := os.ReadFile("../docs/dns.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Where CoreDNS's multicluster deviates\n")
	section, _, _ = strings.Cut(section, "\n## ")
	_, table, headed := strings.Cut(section, "\n|---|---|---|\n")
	if !found || !headed {
		t.Fatal("docs/dns.md has no table of deviations")
	}
	var said, known []string
	for line := range strings.Lines(table) {
		row, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			break
		}
		name, _, _ := strings.Cut(row, " |")
		said = append(said, name)
	}
	for _, d := range deviations {
		known = append(known, d.name)
	}
	if !slices.Equal(said, known) {
		t.Errorf("docs/dns.md lists\n\t%s\nand the test of both knows\n\t%s", strings.Join(said, "\n\t"), strings.Join(known, "\n\t"))
	}
}
