package importer

import (
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// What a policy denies is not in the View: a whole namespace, or what one cluster says in it. It does not bear on what
// is concluded from others, and its clusters are no reason to demote one.
func TestWhatThePolicyDeniesIsNotInTheView(t *testing.T) {
	config := usual
	config.Admit = federation.Namespaces{Deny: []federation.NamespaceRule{{Cluster: "*", Namespace: "kube-*"}, {Cluster: "west", Namespace: "shop"}}}
	inFates(t, config, func(t *testing.T, w *world) {
		system, bank, hidden := federation.ServiceName{Namespace: "kube-system", Name: "dns"}, federation.ServiceName{Namespace: "bank", Name: "web"}, inShop("hidden")
		w.SetNamespace("kube-system", true)
		w.SetNamespace("bank", true)
		headless := web("west", shopWeb, "10.1.0.1")
		headless.Type, headless.Created = federation.Headless, headless.Created.Add(-time.Hour)
		w.say(t, "east", web("east", shopWeb, "10.0.0.1"), web("east", bank, "10.0.0.2"), web("east", system, "10.0.0.3"))
		w.say(t, "west", headless, web("west", bank, "10.1.0.2"), web("west", hidden, "10.1.0.3"))
		view := w.hear("east", "west")
		if view.HasNamespace("kube-system") || view.Service(hidden) != nil {
			t.Errorf("in the View: %s", sortedNames(view))
		}
		s := view.Service(shopWeb)
		if len(s.Exports) != 1 || s.Exports[0].Cluster != "east" || s.Type != federation.ClusterSetIP || len(s.Conflicts) > 0 {
			t.Errorf("concluded also from what is denied:\n%s", printService(s))
		}
		view = w.pass(60, "west")
		for name, want := range map[federation.ServiceName]string{shopWeb: "east served", bank: "east demoted, west served"} {
			if got := fatesOf(view, name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}

// Where something is allowed, nothing else is.
func TestOnlyWhatThePolicyAllowsIsInTheView(t *testing.T) {
	config := usual
	config.Admit = federation.Namespaces{Allow: []federation.NamespaceRule{{Cluster: "*", Namespace: "bank"}, {Cluster: "w*", Namespace: "shop"}}}
	inFates(t, config, func(t *testing.T, w *world) {
		bank, other := federation.ServiceName{Namespace: "bank", Name: "web"}, federation.ServiceName{Namespace: "other", Name: "web"}
		w.SetNamespace("bank", true)
		w.SetNamespace("other", true)
		for _, cluster := range []federation.ClusterID{"east", "west"} {
			w.say(t, cluster, web(cluster, shopWeb), web(cluster, bank), web(cluster, other))
		}
		for name, want := range map[federation.ServiceName]string{shopWeb: "west served", bank: "east served, west served", other: "no service"} {
			if got := fatesOf(w.settle(), name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
	})
}
