package importer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// Checklist 30: however much the exports say, and however many they are, a message fits into an Event, and
// all of them into a condition.
func TestConflictMessagesAreBounded(t *testing.T) {
	rule.Covers(t, "#30")
	pairs := map[string]string{}
	for i := range federation.MaxPairs {
		pairs[fmt.Sprintf("key-%02d", i)] = strings.Repeat("\x00é", 60)
	}
	var exports []*federation.Export
	for i := range 500 {
		e := web(federation.ClusterID(fmt.Sprintf("%s-%03d", strings.Repeat("c", 59), i)), shopWeb, "10.0.0.1")
		e.TrafficDistribution = strings.Repeat("\x01", 253)
		e.Annotations = pairs
		if i > 0 {
			e.Type, e.Ports, e.Annotations, e.TrafficDistribution = federation.Headless, nil, nil, ""
		}
		exports = append(exports, e)
	}
	list := Merge(exports).Conflicts
	if reasons := len(list); reasons != 4 {
		t.Fatalf("%d conflicts, want 4: %+v", reasons, list)
	}
	for _, c := range list {
		m := c.Message()
		if len(m) > 1000 || !strings.Contains(m, "499/500 clusters disagree") || !strings.Contains(m, `"`+string(exports[0].Cluster)+`"`) {
			t.Errorf("%d bytes: %s", len(m), m)
		}
	}
}

// Every conflict that the MCS API lists has its row, each once, and so have ours.
func TestEveryReasonHasARow(t *testing.T) {
	want := []string{
		"PortConflict", "TypeConflict", "SessionAffinityConflict", "SessionAffinityConfigConflict", "LabelsConflict",
		"AnnotationsConflict", "InternalTrafficPolicyConflict", "TrafficDistributionConflict", "IPFamilyConflict",
		"PreferenceConflict", "WeightsConflict", "MinHealthyConflict",
	}
	var got []string
	for _, p := range properties {
		got = append(got, p.reason)
	}
	if !slices.Equal(got, want) {
		t.Errorf("rows for %v, want %v", got, want)
	}
}

// A conflict is there just as long as an export disagrees with the oldest: alone, or with a copy of itself,
// no export has one.
func TestEqualExportsHaveNoConflict(t *testing.T) {
	r := random(t)
	for range 300 {
		e := anyExport(r, "a")
		twin := *e
		twin.Cluster, twin.Created = "b", e.Created.AddDate(1, 0, 0)
		for _, exports := range [][]*federation.Export{{e}, {e, &twin}} {
			if list := Merge(exports).Conflicts; len(list) > 0 {
				t.Fatalf("%+v of %+v", list, exports)
			}
		}
	}
}

// Beside the message of a conflict stands what each cluster says, the oldest first.
func TestOpinionsOfAConflict(t *testing.T) {
	rule.Covers(t, "TypeConflict", "PortConflict")
	a, b, c := web("a", shopWeb), web("b", shopWeb), web("c", shopWeb)
	b.Created = b.Created.Add(-1)
	b.Type, c.Type = federation.Headless, federation.Headless
	a.Ports = []federation.Port{{Name: "http", Protocol: federation.TCP, Number: 81}}
	exports := []*federation.Export{a, b, c}
	list := Merge(exports).Conflicts
	if len(list) != 2 {
		t.Fatalf("%d conflicts: %+v", len(list), list)
	}
	for i, want := range [][]Opinion{
		{{"b", "http 80/TCP", false}, {"a", "http 81/TCP", true}, {"c", "http 80/TCP", false}},
		{{"b", "Headless", false}, {"a", "ClusterSetIP", true}, {"c", "Headless", false}},
	} {
		if got := list[i].Opinions(exports); !slices.Equal(got, want) {
			t.Errorf("%s: %+v, want %+v", list[i].Reason, got, want)
		}
	}
	if got := (Conflict{Reason: "None"}).Opinions(exports); got != nil {
		t.Errorf("of a reason that is none: %+v", got)
	}
}
