package exporter

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/integration/rule"
)

func TestNewsAreRefusalsAndThatItIsExported(t *testing.T) {
	rule.Covers(t, "E5", "E6", "#31")
	valid := metav1.Condition{Type: "Valid", Status: metav1.ConditionTrue, Reason: "Valid", Message: "can be exported", ObservedGeneration: 1}
	exported := readyOf(1, metav1.ConditionTrue, "Exported", "offered to 2")
	noService := metav1.Condition{Type: "Valid", Status: metav1.ConditionFalse, Reason: "NoService", Message: "there is none", ObservedGeneration: 1}
	wrongType := metav1.Condition{Type: "Valid", Status: metav1.ConditionFalse, Reason: "InvalidServiceType", Message: "ExternalName", ObservedGeneration: 1}
	pending := readyOf(1, metav1.ConditionFalse, "Pending", "waits")
	failed := readyOf(1, metav1.ConditionFalse, "Failed", "label a")
	otherwise := readyOf(1, metav1.ConditionFalse, "Failed", "label b")
	newer := func(c metav1.Condition) metav1.Condition {
		c.ObservedGeneration++
		return c
	}
	another := func(c metav1.Condition, message string) metav1.Condition {
		c.Message = message
		return c
	}
	isExported := notice{"Normal", "Exported", "offered to 2"}
	for _, c := range []struct {
		what string
		old  []metav1.Condition
		now  Status
		want []notice
	}{
		{"exported at once", nil, Status{valid, exported}, nil},
		{"exported, beside what others say", []metav1.Condition{{Type: "Conflict", Status: metav1.ConditionTrue}}, Status{valid, exported}, nil},
		{"no Service yet", nil, Status{noService, pending}, []notice{{"Warning", "NoService", "there is none"}}},
		{"a Service at last", []metav1.Condition{noService, pending}, Status{valid, exported}, []notice{isExported}},
		{"the Service went", []metav1.Condition{valid, exported}, Status{noService, pending}, []notice{{"Warning", "NoService", "there is none"}}},
		{"became an ExternalName", []metav1.Condition{valid, exported}, Status{wrongType, pending}, []notice{{"Warning", "InvalidServiceType", "ExternalName"}}},
		{"was refused for another reason", []metav1.Condition{noService, pending}, Status{wrongType, pending}, []notice{{"Warning", "InvalidServiceType", "ExternalName"}}},
		{"fails", []metav1.Condition{valid, exported}, Status{valid, failed}, []notice{{"Warning", "Failed", "label a"}}},
		{"fails at once", nil, Status{valid, failed}, []notice{{"Warning", "Failed", "label a"}}},
		{"fails otherwise", []metav1.Condition{valid, failed}, Status{valid, otherwise}, []notice{{"Warning", "Failed", "label b"}}},
		{"works again", []metav1.Condition{valid, failed}, Status{valid, exported}, []notice{isExported}},
		{"was not known", []metav1.Condition{valid, readyOf(1, metav1.ConditionUnknown, "Pending", "?")}, Status{valid, exported}, []notice{isExported}},

		{"nothing happened", []metav1.Condition{valid, exported}, Status{valid, exported}, nil},
		{"still fails", []metav1.Condition{valid, failed}, Status{valid, failed}, nil},
		{"still no Service", []metav1.Condition{noService, pending}, Status{noService, pending}, nil},
		{"another generation", []metav1.Condition{valid, exported}, Status{newer(valid), newer(exported)}, nil},
		{"another generation fails as before", []metav1.Condition{valid, failed}, Status{newer(valid), newer(failed)}, nil},
		{"another cluster joined", []metav1.Condition{valid, exported}, Status{valid, another(exported, "offered to 3")}, nil},
	} {
		if got := news(c.old, c.now); !slices.Equal(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.what, got, c.want)
		}
	}
}

// An event whose note is too long would be refused by the API server, and nobody told.
func TestNotesFitIntoAnEvent(t *testing.T) {
	for _, long := range []string{strings.Repeat("x", 5000), strings.Repeat("ü", 600), "x" + strings.Repeat("ü", 600), strings.Repeat("€", 400), strings.Repeat("😀", 400)} {
		list := news(nil, Status{Ready: readyOf(1, metav1.ConditionFalse, "Failed", long)})
		note := list[0].note
		if len(note) > maxNote || len(note) < maxNote-3 || !utf8.ValidString(note) || !strings.HasSuffix(note, "…") || !strings.HasPrefix(long, strings.TrimSuffix(note, "…")) {
			t.Errorf("note of %d bytes: %q", len(note), note)
		}
	}
	for _, s := range []string{"", "short", strings.Repeat("ü", maxNote/2)} {
		if got := clip(s, maxNote); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
}
