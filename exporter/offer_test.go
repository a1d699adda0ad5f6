package exporter

import (
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

// That a service was offered stays true: the message changes with the rest of the condition, or for a greater
// number, and for nothing else.
func TestTheOfferIsToldAgainOnlyWhenItGrew(t *testing.T) {
	rule.Covers(t, "#31")
	const none, one, two, three = "announced; no other cluster has joined yet", "offered to 1 other cluster of the clusterset",
		"offered to 2 other clusters of the clusterset", "offered to 3 other clusters of the clusterset"
	const west, noneWest = `those that "west,eu-*" names`, `announced for those that "west,eu-*" names; no other cluster has joined yet`
	some := func(numbers string) string { return "offered to " + numbers + " of the clusterset: " + west }
	exported := func(message string) *metav1.Condition {
		return new(readyOf(1, metav1.ConditionTrue, "Exported", message))
	}
	all := func(n int) audience { return audience{n, n, ""} }
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
		{"a restart, before anybody is heard", exported(two), all(0), two},
		{"a restart, when one is heard", exported(two), all(1), two},
		{"the spec changed while fewer are heard", new(readyOf(0, metav1.ConditionTrue, "Exported", two)), all(1), one},
		{"it failed before", new(readyOf(1, metav1.ConditionFalse, "Failed", two)), all(1), one},
		{"it waited before", new(readyOf(1, metav1.ConditionFalse, "Pending", "waits")), all(1), one},
		{"another's reason", new(readyOf(1, metav1.ConditionTrue, "Ready", two)), all(1), one},
		{"it failed with that reason, by another's word", new(readyOf(1, metav1.ConditionFalse, "Exported", two)), all(1), one},
		{"not known", new(readyOf(1, metav1.ConditionUnknown, "Exported", two)), all(1), one},
		{"another's words", exported("offered to every member"), all(1), one},
		{"another's number", exported("offered to 7 others"), all(1), one},
		{"no number", exported("offered to some"), all(0), none},
		{"a sign", exported("offered to +2 other clusters of the clusterset"), all(1), one},

		{"to some, alone", nil, audience{0, 0, west}, noneWest},
		{"to some, and nobody is one of them", nil, audience{0, 1, west}, some("0 of 1 other cluster")},
		{"to some of five", nil, audience{2, 5, west}, some("2 of 5 other clusters")},
		{"nothing happened to some", exported(some("2 of 5 other clusters")), audience{2, 5, west}, some("2 of 5 other clusters")},
		{"to some, after a restart", exported(some("2 of 5 other clusters")), audience{1, 1, west}, some("2 of 5 other clusters")},
		{"to some, after a restart, before anybody is heard", exported(some("2 of 5 other clusters")), audience{0, 0, west}, some("2 of 5 other clusters")},
		{"another one that may not see it joined", exported(some("2 of 5 other clusters")), audience{2, 6, west}, some("2 of 6 other clusters")},
		{"more of them, of fewer that are heard", exported(some("2 of 5 other clusters")), audience{3, 4, west}, some("3 of 5 other clusters")},
		{"narrowed", exported(three), audience{1, 3, west}, some("1 of 3 other clusters")},
		{"narrowed to others", exported(strings.ReplaceAll(some("2 of 5 other clusters"), "eu", "us")), audience{1, 3, west}, some("1 of 3 other clusters")},
		{"widened", exported(some("2 of 3 other clusters")), all(3), three},
		{"more than all, by another's word", exported(some("9 of 3 other clusters")), audience{1, 3, west}, some("1 of 3 other clusters")},
	} {
		want := readyOf(1, metav1.ConditionTrue, "Exported", c.want)
		if got := offer(c.old, readyOf(1, metav1.ConditionTrue, "Exported", ""), c.now); got != want {
			t.Errorf("%s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	const rest = "reserved keys that importers leave out: exportedLabels hansa.dev/a"
	for _, c := range []struct{ what, old, want string }{
		{"as it was", two + "; " + rest, two + "; " + rest},
		{"it says less", two, one + "; " + rest},
		{"it says something else", two + "; another", one + "; " + rest},
		{"and nothing else", rest, one + "; " + rest},
	} {
		if got := offer(exported(c.old), *exported(rest), all(1)); got.Message != c.want {
			t.Errorf("more to say, %s: %q, want %q", c.what, got.Message, c.want)
		}
	}
	if got := offer(exported(two+"; "+rest), *exported(""), all(1)); got.Message != one {
		t.Errorf("nothing more to say: %q", got.Message)
	}
}

func TestAnAudienceReadsWhatItWrites(t *testing.T) {
	for _, who := range []string{"", `those that "west" names`} {
		for n := range 200 {
			want := audience{n, n, who}
			if who != "" {
				want.members = n / 2
			}
			got := audience{who: who}
			if !got.read(want.String()+"; rest", "; rest") || got != want {
				t.Fatalf("%q is read as %+v", want, got)
			}
		}
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

// Who may see a service is told whoever is known, and counted of those.
func TestWhoIsCountedAsTheAudience(t *testing.T) {
	const named = `those that "eu-*,west" names`
	const admitted = "those that the export policy admits"
	for _, c := range []struct {
		what, allow, deny string
		consumers         []string
		members           int
		who               string
	}{
		{"all", "", "", nil, 4, ""},
		{"named ones", "", "", []string{"eu-*", "west"}, 3, named},
		{"nobody who is known", "", "", []string{"mars"}, 0, `those that "mars" names`},
		{"the policy is of other namespaces", "west=bank shop", "north=bank kube-*", nil, 4, ""},
		{"the policy tells nobody apart", "sh*", "bank", nil, 4, ""},
		{"denied to one", "", "west=shop", nil, 3, admitted},
		{"denied to one who is not known", "", "mars=shop", nil, 4, admitted},
		{"denied to some", "", "eu-*=sh*", nil, 2, admitted},
		{"allowed to one", "west=shop", "", nil, 1, admitted},
		{"allowed to one, and to all by another rule", "west=shop *=shop", "", nil, 4, admitted},
		{"allowed to one, and denied to it", "west=shop", "west=*", nil, 0, admitted},
		{"named, and denied to one of them", "", "eu-2=shop", []string{"eu-*", "west"}, 2, named + " and the export policy admits"},
	} {
		e := &federation.Export{Cluster: "own", Name: federation.ServiceName{Namespace: "shop", Name: "web"}, Consumers: c.consumers}
		want := audience{c.members, 4, c.who}
		if got := audienceOf(e, policy(t, c.allow, c.deny), []federation.ClusterID{"eu-1", "eu-2", "north", "own", "west"}); got != want {
			t.Errorf("%s: %+v, want %+v", c.what, got, want)
		}
	}
	many := &federation.Export{Consumers: slices.Repeat([]string{strings.Repeat("a", 63)}, federation.MaxConsumers)}
	if n := len(who(many, federation.Namespaces{})); n > 400 {
		t.Errorf("%d bytes say who may see a service", n)
	}
}
