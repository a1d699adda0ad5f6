package exporter

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// readyOf returns Ready as it is for a generation.
func readyOf(generation int64, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: "Ready", Status: status, Reason: reason, Message: message, ObservedGeneration: generation}
}

// members returns n clusters.
func members(n int) (list []federation.ClusterID) {
	for i := range n {
		list = append(list, federation.ClusterID(fmt.Sprintf("c-%d", i)))
	}
	return list
}

// The message is that of the clusters that are known; while nobody is, a former offer stands.
func TestTheOfferIsToldOfThoseThatAreKnown(t *testing.T) {
	rule.Covers(t, "#31")
	const none, one, two, three = "announced; no other cluster has joined yet", "offered to 1 other cluster of the clusterset",
		"offered to 2 other clusters of the clusterset", "offered to 3 other clusters of the clusterset"
	const west, noneWest = `those that "west,eu-*" names`, `announced for those that "west,eu-*" names; no other cluster has joined yet`
	some := func(numbers, names string) string {
		return "offered to " + numbers + " of the clusterset" + names + ": " + west
	}
	exported := func(message string) *metav1.Condition {
		return new(readyOf(1, metav1.ConditionTrue, "Exported", message))
	}
	all := func(n int) audience { return audience{members: members(n), all: members(n)} }
	of := func(n, all int) audience { return audience{members: members(n), all: members(all), who: west} }
	gone := audience{left: true}
	for _, c := range []struct {
		what string
		old  *metav1.Condition
		now  audience
		want string
	}{
		{"first, alone", nil, all(0), none},
		{"first, with one", nil, all(1), one},
		{"first, with two", nil, all(2), two},
		{"nothing happened, alone", exported(none), all(0), none},
		{"nothing happened", exported(two), all(2), two},
		{"the first joined", exported(none), all(1), one},
		{"another joined", exported(two), all(3), three},
		{"a restart that remembers nothing", exported(two), all(0), two},
		{"one left", exported(two), all(1), one},
		{"the last one left", exported(one), gone, none},
		{"the spec changed while nobody is known", new(readyOf(0, metav1.ConditionTrue, "Exported", two)), all(0), none},
		{"it failed before", new(readyOf(1, metav1.ConditionFalse, "Failed", two)), all(0), none},
		{"it waited before", new(readyOf(1, metav1.ConditionFalse, "Pending", "waits")), all(0), none},
		{"another's reason", new(readyOf(1, metav1.ConditionTrue, "Ready", two)), all(0), none},
		{"it failed with that reason, by another's word", new(readyOf(1, metav1.ConditionFalse, "Exported", two)), all(0), none},
		{"not known", new(readyOf(1, metav1.ConditionUnknown, "Exported", two)), all(0), none},
		{"another's words", exported("offered to every member"), all(0), none},
		{"another's words of many", exported("offered to every member"), all(1), one},

		{"to some, alone", nil, of(0, 0), noneWest},
		{"to some, and nobody is one of them", nil, of(0, 1), some("0 of 1 other cluster", "")},
		{"to some of five", nil, of(2, 5), some("2 of 5 other clusters", " (c-0, c-1)")},
		{"nothing happened to some", exported(some("2 of 5 other clusters", " (c-0, c-1)")), of(2, 5), some("2 of 5 other clusters", " (c-0, c-1)")},
		{"to some, after a restart that remembers nothing", exported(some("2 of 5 other clusters", " (c-0, c-1)")), of(0, 0), some("2 of 5 other clusters", " (c-0, c-1)")},
		{"one of some left", exported(some("2 of 5 other clusters", " (c-0, c-1)")), of(1, 4), some("1 of 4 other clusters", " (c-0)")},
		{"narrowed", exported(three), of(1, 3), some("1 of 3 other clusters", " (c-0)")},
		{"narrowed while nobody is known", exported(three), of(0, 0), noneWest},
		{"narrowed to others while nobody is known", exported(strings.ReplaceAll(some("2 of 5 other clusters", ""), "eu", "us")), of(0, 0), noneWest},
		{"widened while nobody is known", exported(some("2 of 3 other clusters", " (c-0, c-1)")), all(0), none},
	} {
		want := readyOf(1, metav1.ConditionTrue, "Exported", c.want)
		if got := offer(c.old, readyOf(1, metav1.ConditionTrue, "Exported", ""), c.now); got != want {
			t.Errorf("%s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	const rest = "reserved keys that importers leave out: exportedLabels hansa.dev/a"
	for _, c := range []struct{ what, old, want string }{
		{"as it was", two + "; " + rest, two + "; " + rest},
		{"it says less", two, none + "; " + rest},
		{"it says something else", two + "; another", none + "; " + rest},
		{"and nothing else", rest, none + "; " + rest},
	} {
		if got := offer(exported(c.old), *exported(rest), all(0)); got.Message != c.want {
			t.Errorf("more to say, %s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	if got := offer(exported(two+"; "+rest), *exported(""), all(0)); got.Message != none {
		t.Errorf("nothing more to say: %q", got.Message)
	}
}

// While nobody is known, every message that was written of the same audience stands.
func TestAnOfferKnowsWhatWasWrittenBefore(t *testing.T) {
	for _, who := range []string{"", `those that "west,mars" names`} {
		for n := 1; n < 200; n++ {
			a := audience{members: members(n), all: members(n), who: who}
			if who != "" {
				a.members, a.astray = members(n/2), []string{"mars"}[:n%2]
			}
			if message := a.String() + "; rest"; !(audience{who: who}).before(message, "; rest") || len(message) > 800 {
				t.Fatalf("%q is not known, or too long", message)
			}
		}
	}
}

// As many clusters are named as there is room for.
func TestTheFirstClustersAreNamed(t *testing.T) {
	long := federation.ClusterID(strings.Repeat("a", 63))
	for want, list := range map[string][]federation.ClusterID{
		"west":       {"west"},
		"east, west": {"east", "west"},
		string(long) + ", " + string(long) + " and 2 more": {long, long, long, long},
	} {
		if got := first(list); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := first(members(100)); !strings.HasSuffix(got, " and 73 more") || strings.Count(got, ", ") != 26 {
		t.Errorf("of a hundred %q are named", got)
	}
}

func policy(t *testing.T, allow, deny string) federation.Namespaces {
	t.Helper()
	rules := func(list string) (all []federation.NamespaceRule) {
		for text := range strings.FieldsSeq(list) {
			r, err := federation.ParseNamespaceRule(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
	return federation.Namespaces{Allow: rules(allow), Deny: rules(deny)}
}

// Who may see a service is told whoever is known, and named of those; so is what was likely misspelt.
func TestWhoIsNamedAsTheAudience(t *testing.T) {
	const named = `those that "eu-*,west" names`
	const admitted = "those that the export policy admits"
	for _, c := range []struct {
		what, allow, deny  string
		consumers          []string
		members, who, lost string
	}{
		{"all", "", "", nil, "eu-1 eu-2 north west", "", ""},
		{"named ones", "", "", []string{"eu-*", "west"}, "eu-1 eu-2 west", named, ""},
		{"nobody who is known", "", "", []string{"mars"}, "", `those that "mars" names`, "mars"},
		{"one who is not known", "", "", []string{"mars", "we*"}, "west", `those that "mars,we*" names`, "mars"},
		{"one who has left", "", "", []string{"past", "west"}, "west", `those that "past,west" names`, "past"},
		{"our own cluster", "", "", []string{"own", "west"}, "west", `those that "own,west" names`, ""},
		{"the policy is of other namespaces", "west=bank shop", "north=bank kube-*", nil, "eu-1 eu-2 north west", "", ""},
		{"the policy tells nobody apart", "sh*", "bank", nil, "eu-1 eu-2 north west", "", ""},
		{"denied to one", "", "west=shop", nil, "eu-1 eu-2 north", admitted, ""},
		{"denied to one who is not known", "", "mars=shop", nil, "eu-1 eu-2 north west", admitted, ""},
		{"denied to some", "", "eu-*=sh*", nil, "north west", admitted, ""},
		{"allowed to one", "west=shop", "", nil, "west", admitted, ""},
		{"allowed to one, and to all by another rule", "west=shop *=shop", "", nil, "eu-1 eu-2 north west", admitted, ""},
		{"allowed to one, and denied to it", "west=shop", "west=*", nil, "", admitted, ""},
		{"named, and denied to one of them", "", "eu-2=shop", []string{"eu-*", "west"}, "eu-1 west", named + " and the export policy admits", ""},
		{"named, and denied to all of them", "", "west=shop", []string{"west"}, "", `those that "west" names and the export policy admits`, ""},
	} {
		e := &federation.Export{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "web"}, Consumers: c.consumers}
		got := audienceOf(e, policy(t, c.allow, c.deny), []federation.Owner{
			{Cluster: "eu-1"}, {Cluster: "eu-2"}, {Cluster: "north"}, {Cluster: "own"}, {Cluster: "past", Left: true}, {Cluster: "west"},
		})
		want := fmt.Sprintf("[%s] of [eu-1 eu-2 north west] %s [%s] true", c.members, c.who, c.lost)
		if got := fmt.Sprint(got.members, " of ", got.all, " ", got.who, " ", got.astray, " ", got.left); got != want {
			t.Errorf("%s: %s, want %s", c.what, got, want)
		}
	}
	many := &federation.Export{Consumers: slices.Repeat([]string{strings.Repeat("a", 63)}, federation.MaxConsumers)}
	if n := len(who(many, federation.Namespaces{})); n > 400 {
		t.Errorf("%d bytes say who may see a service", n)
	}
	astray := audience{members: []federation.ClusterID{"west"}, all: []federation.ClusterID{"east", "west"}, who: named, astray: []string{"mars", "nrth"}}
	if got, want := astray.String(), "offered to 1 of 2 other clusters of the clusterset (west): "+named+`; "mars,nrth" of annotation hansa.dev/consumers names none of them (east, west)`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
