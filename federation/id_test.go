package federation

import (
	"strings"
	"testing"
)

var labels = []struct {
	text string
	ok   bool
}{
	{"a", true},
	{"0", true},
	{"east-1", true},
	{"a--b", true},
	{strings.Repeat("a", 63), true},
	{strings.Repeat("a", 64), false},
	{"", false},
	{"-east", false},
	{"east-", false},
	{"-", false},
	{"East", false},
	{"east.1", false}, // C4's second label: no label value and no DNS server in use carries it
	{"east_1", false},
	{"east 1", false},
	{"éast", false},
	{"east\x00", false},
	{"east/west", false},
}

// C3, checklist 46: what cannot be a label value or a DNS label is refused at the door.
func TestClusterIDIsOneLabel(t *testing.T) {
	for _, c := range labels {
		id, err := ParseClusterID(c.text)
		if (err == nil) != c.ok {
			t.Errorf("ParseClusterID(%q): error %v, want ok %t", c.text, err, c.ok)
		}
		if c.ok && id != ClusterID(c.text) || !c.ok && id != "" {
			t.Errorf("ParseClusterID(%q) = %q", c.text, id)
		}
	}
}

// D12: both parts of a name are labels.
func TestServiceNameIsTwoLabels(t *testing.T) {
	for _, c := range labels {
		for _, n := range []ServiceName{{c.text, "web"}, {"shop", c.text}} {
			if err := n.Check(); (err == nil) != c.ok {
				t.Errorf("%q: error %v, want ok %t", n, err, c.ok)
			}
		}
	}
}

// What a stranger sent does not fill a log line.
func TestErrorsClipWhatTheyQuote(t *testing.T) {
	_, err := ParseClusterID(strings.Repeat("A", 1<<20))
	if err == nil || len(err.Error()) > 400 {
		t.Errorf("error of %d characters", len(err.Error()))
	}
}

func TestNamesSortByNamespaceThenName(t *testing.T) {
	ordered := []ServiceName{{"a", "a"}, {"a", "b"}, {"a-b", "a"}, {"b", "a"}}
	for i, a := range ordered {
		for j, b := range ordered {
			if got := a.Compare(b); got < 0 != (i < j) || got > 0 != (i > j) {
				t.Errorf("%s compared with %s: %d", a, b, got)
			}
		}
	}
}
