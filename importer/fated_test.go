package importer

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

// What becomes of silent clusters is told when it is another, with how many services feel it, and not for what changes
// beside.
func TestFatesAreToldAsTheyChange(t *testing.T) {
	rule.Covers(t, "S10", "#41")
	inFates(t, usual, func(t *testing.T, w *world) {
		var told []string
		w.config.Fated = func(list []Fated) {
			told = append(told, fmt.Sprint(list))
			for _, f := range list {
				for name := range content(w.View()) {
					if s := w.View().Service(name); f.Withdrawn > 0 && s.Patience.Withdraw == time.Minute && s.Fates == nil {
						t.Errorf("%s is told to be withdrawn in part before the View says so", f.Cluster)
					}
				}
			}
		}
		expect := func(what string, want ...string) {
			t.Helper()
			if w.settle(); !slices.Equal(told, want) {
				t.Errorf("%s: told %q, want %q", what, told, want)
			}
			told = nil
		}
		hasty := web("east", inShop("hasty"), "10.0.0.3")
		hasty.Quiet = federation.Quiet{Demote: federation.Delay{Given: true, After: 5 * time.Second}, Withdraw: federation.Delay{Given: true, After: time.Minute}}
		elsewhere := web("east", federation.ServiceName{Namespace: "bank", Name: "web"}, "10.0.0.4")
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", inShop("alone"), "10.0.0.2"), hasty, elsewhere)
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"))
		w.hear("east", "west")
		expect("both are heard")
		w.pass(5, "west")
		expect("the hasty service", "[{east 3 0 1 0}]")
		w.pass(25, "west")
		expect("the others", "[{east 3 1 2 0}]")
		w.say(t, "west", web("west", shopWeb, "10.1.0.1"), web("west", inShop("alone"), "10.1.0.2"))
		expect("another cluster is as good as it")
		w.pass(30, "west")
		expect("the hasty service goes", "[{east 3 2 0 1}]")
		w.pass(540, "west")
		expect("all go", "[{east 3 0 0 3}]")
		w.hear("east")
		expect("heard again", "[]")
		w.pass(30, "west")
		told = nil
		w.say(t, "east")
		expect("silent, its last export goes", "[]")
	})
}

// What the policy keeps out is counted by service, where there is a namespace for it.
func TestWhatThePolicyKeepsOutIsCounted(t *testing.T) {
	rule.Covers(t, "I1")
	rules := func(list ...string) (all []federation.NamespaceRule) {
		for _, text := range list {
			r, err := federation.ParseNamespaceRule(text)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		return all
	}
	for _, c := range []struct {
		about string
		admit federation.Namespaces
		want  int
	}{
		{"no policy", federation.Namespaces{}, 0},
		{"a policy on other namespaces", federation.Namespaces{Deny: rules("kube-*")}, 0},
		{"all are denied, also in part", federation.Namespaces{Deny: rules("shop")}, 3},
		{"another is allowed alone", federation.Namespaces{Allow: rules("bank")}, 3},
		{"one cluster is denied", federation.Namespaces{Deny: rules("east=shop")}, 2},
		{"one cluster is allowed alone", federation.Namespaces{Allow: rules("east=*")}, 2},
		{"a namespace that is not here", federation.Namespaces{Deny: rules("far")}, 0},
	} {
		inWorldOf(t, Config{Patience: federation.DefaultPatience, Admit: c.admit}, func(t *testing.T, w *world) {
			w.store.Announce(1, []*federation.Export{web("own", inShop("ours"), "10.9.0.1")})
			w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", inShop("more"), "10.0.0.2"), web("east", federation.ServiceName{Namespace: "far", Name: "web"}))
			w.say(t, "west", web("west", shopWeb, "10.1.0.1"), web("west", inShop("ours"), "10.1.0.2"))
			if got := w.KeptOut(); got != c.want {
				t.Errorf("%s: %d services, want %d", c.about, got, c.want)
			}
		})
	}
}
