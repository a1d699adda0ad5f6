package complete

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func named(texts ...string) []Name {
	names := make([]Name, 0, len(texts))
	for _, text := range texts {
		names = append(names, Name{Text: text})
	}
	return names
}

func texts(names []Name) string {
	list := make([]string, 0, len(names))
	for _, n := range names {
		list = append(list, n.Text)
	}
	return strings.Join(list, " ")
}

func TestMatch(t *testing.T) {
	for _, test := range []struct {
		names []Name
		typed string
		want  string
	}{
		{nil, "", ""},
		{named("web", "api"), "", "api web"},
		{named("web", "api", "web2"), "w", "web web2"},
		{named("web", "web"), "web", "web"},
		{named("web"), "webs", ""},
	} {
		if got := texts(Match(test.names, test.typed)); got != test.want {
			t.Errorf("Match(%v, %q) = %q, want %q", test.names, test.typed, got, test.want)
		}
	}
	first := Match([]Name{{"a", "said first"}, {"a", "said then"}}, "")
	if want := []Name{{"a", "said first"}}; !slices.Equal(first, want) {
		t.Errorf("of two that are the same: %v, want %v", first, want)
	}
	var many []Name
	for i := range Most + 1 {
		many = append(many, Name{Text: fmt.Sprintf("web-%04d", i)})
	}
	if got := Match(many, "web"); len(got) != Most || got[Most-1].Text != fmt.Sprintf("web-%04d", Most-1) {
		t.Errorf("of %d names %d are given, want the first %d", len(many), len(got), Most)
	}
}

func TestLast(t *testing.T) {
	clusters := named("east", "eu-1", "eu-2", "west")
	for _, test := range []struct {
		given []string
		typed string
		want  string
	}{
		{nil, "", "east eu-1 eu-2 west"},
		{nil, "e", "east eu-1 eu-2"},
		{nil, "west,", "west,east west,eu-1 west,eu-2"},
		{nil, "west,eu-1,eu", "west,eu-1,eu-2"},
		{[]string{"east"}, "eu-1,e", "eu-1,eu-2"},
		{nil, "nowhere,w", "nowhere,west"},
		{nil, "west,west", ""},
	} {
		if got := texts(Last(clusters, test.given, test.typed)); got != test.want {
			t.Errorf("Last(%q, %q) = %q, want %q", test.given, test.typed, got, test.want)
		}
	}
}

func TestFresh(t *testing.T) {
	for _, test := range []struct{ names, used, typed, want string }{
		{"api web", "", "", "api web"},
		{"api web", "web", "", "api"},
		{"api web", "web", "w", "web"},
		{"api web", "api web", "", "api web"},
	} {
		if got := texts(Fresh(named(strings.Fields(test.names)...), named(strings.Fields(test.used)...), test.typed)); got != test.want {
			t.Errorf("Fresh(%q, %q, %q) = %q, want %q", test.names, test.used, test.typed, got, test.want)
		}
	}
}

func TestFrom(t *testing.T) {
	for _, test := range []struct{ clusters, want string }{
		{"", ""},
		{"west", "from west"},
		{"west east north", "from east, north, west"},
		{"d c b a", "from a, b, c and 1 more"},
	} {
		if got := from(strings.Fields(test.clusters)); got != test.want {
			t.Errorf("from(%q) = %q, want %q", test.clusters, got, test.want)
		}
	}
}
