package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)#]+)`)
	target  = regexp.MustCompile("(?:^|`|\\$ )make ([a-z][a-z-]*)")
	ruleOf  = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	goRunOf = regexp.MustCompile(`go run (\./[a-z/]+)`)
	applied = regexp.MustCompile(`-f ((?:docs|integration)/[a-z/-]+\.yaml)`)
)

// What the documents point to is there: files, make targets, and programs of this module; also the manifests that
// they have kubectl apply.
func TestDocumentsPointToWhatExists(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	rules := map[string]bool{}
	for _, m := range ruleOf.FindAllStringSubmatch(string(makefile), -1) {
		rules[m[1]] = true
	}
	seen := 0
	eachFile(t, func(path string, lines []string) {
		if !strings.HasSuffix(path, ".md") {
			return
		}
		for i, line := range lines {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				seen++
				if !strings.Contains(m[1], "://") {
					exists(t, path, i, filepath.Join("..", filepath.Dir(path), m[1]))
				}
			}
			for _, m := range target.FindAllStringSubmatch(line, -1) {
				if seen++; !rules[m[1]] {
					t.Errorf("%s:%d: no target %q in the Makefile", path, i+1, m[1])
				}
			}
			for _, m := range slices.Concat(goRunOf.FindAllStringSubmatch(line, -1), applied.FindAllStringSubmatch(line, -1)) {
				seen++
				exists(t, path, i, filepath.Join("..", m[1]))
			}
		}
	})
	if seen < 20 {
		t.Errorf("%d things looked at, want all of the documents'", seen)
	}
}

func exists(t *testing.T, document string, line int, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s:%d: %v", document, line+1, err)
	}
}
