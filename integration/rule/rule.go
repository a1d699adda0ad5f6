// Package rule lets a test say which rules of the MCS API it proves.
//
// In: rule IDs (C1, E4, I7, S2, D1 …), and #1 … #62 for the numbers of the checklist; a reason of the API
// such as PortConflict stands for its rule. Out: attributes of the test, which `make rules` reads from the
// output of `go test -json`. Owned here: their name and the grammar of an ID; what each rule says is in
// integration/rules.
package rule

import (
	"bufio"
	"bytes"
	"regexp"
	"strings"
	"testing"
)

// Attribute is the key of the attribute whose value is one rule's ID.
const Attribute = "rule"

var grammar = regexp.MustCompile(`^([CEISD][0-9]{1,2}|#[0-9]{1,2}|[A-Z][a-zA-Z]+)$`)

// Covers says that t proves the rules. A subtest speaks for itself alone.
func Covers(t testing.TB, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if !grammar.MatchString(id) {
			t.Fatalf("rule %q: want an ID such as E4, #16 or PortConflict", id)
		}
		t.Attr(Attribute, id)
	}
}

// CoversComment does so for the rules that a file of testdata names in its comment.
func CoversComment(t testing.TB, comment []byte) {
	t.Helper()
	Covers(t, Named(comment)...)
}

// Named returns the rules that a comment names: the words of its lines that begin with "rules:", behind a #
// or not.
func Named(comment []byte) []string {
	var ids []string
	for scanner := bufio.NewScanner(bytes.NewReader(comment)); scanner.Scan(); {
		line := strings.TrimSpace(strings.TrimPrefix(scanner.Text(), "#"))
		if list, ok := strings.CutPrefix(line, "rules:"); ok {
			ids = append(ids, strings.Fields(list)...)
		}
	}
	return ids
}
