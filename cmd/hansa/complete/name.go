package complete

import (
	"cmp"
	"slices"
	"strings"
)

// Most is how many names are given: a shell asks before it shows as many.
const Most = 500

// Name is one that may be typed.
type Name struct {
	Text  string
	About string // in a few words, "" for nothing
}

// Match returns the names that begin with what was typed, sorted and each once, at most Most of them.
func Match(names []Name, typed string) []Name {
	match := slices.DeleteFunc(slices.Clone(names), func(n Name) bool { return !strings.HasPrefix(n.Text, typed) })
	slices.SortStableFunc(match, func(a, b Name) int { return cmp.Compare(a.Text, b.Text) })
	match = slices.CompactFunc(match, func(a, b Name) bool { return a.Text == b.Text })
	return match[:min(len(match), Most)]
}

// Last returns the names with which the last element of a list, as a,b,c, goes on. Names that the list has already, here
// or in given, are left out. After a comma they come without words: cobra's script for bash matches no comma beside words.
func Last(names []Name, given []string, typed string) []Name {
	list, last := "", typed
	if comma := strings.LastIndexByte(typed, ','); comma >= 0 {
		list, last = typed[:comma+1], typed[comma+1:]
	}
	given = slices.Concat(given, strings.Split(list, ","))
	match := slices.DeleteFunc(Match(names, last), func(n Name) bool { return slices.Contains(given, n.Text) })
	if list == "" {
		return match
	}
	for i := range match {
		match[i] = Name{Text: list + match[i].Text}
	}
	return match
}

// Fresh returns the names that are not in used; if there are none that begin with what was typed, all.
func Fresh(names, used []Name, typed string) []Name {
	in := make(map[string]bool, len(used))
	for _, n := range used {
		in[n.Text] = true
	}
	fresh := Match(slices.DeleteFunc(slices.Clone(names), func(n Name) bool { return in[n.Text] }), typed)
	if len(fresh) > 0 {
		return fresh
	}
	return Match(names, typed)
}
