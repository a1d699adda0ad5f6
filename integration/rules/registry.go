package main

import (
	"fmt"
	"strings"
)

// Rule is one line of the registry.
type Rule struct {
	ID     string
	What   string
	Reason string // why it may have no test; "" if it must have one
}

// ParseRegistry reads lines of an ID, what the rule says and, behind a bar, the reason. Empty lines and those
// that begin with // say nothing.
func ParseRegistry(text string) ([]Rule, error) {
	var rules []Rule
	known := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		said, reason, elsewhere := strings.Cut(line, "|")
		id, what, _ := strings.Cut(strings.TrimSpace(said), " ")
		r := Rule{ID: id, What: strings.TrimSpace(what), Reason: strings.TrimSpace(reason)}
		switch {
		case r.What == "" || elsewhere && r.Reason == "":
			return nil, fmt.Errorf("rule %q: want an ID, what it says and perhaps | with a reason", line)
		case known[id]:
			return nil, fmt.Errorf("rule %s is there twice", id)
		}
		known[id] = true
		rules = append(rules, r)
	}
	return rules, nil
}
