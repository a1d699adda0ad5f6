package federation

import "testing"

func rules(t *testing.T, list ...string) (out []NamespaceRule) {
	t.Helper()
	for _, text := range list {
		r, err := ParseNamespaceRule(text)
		if err != nil || r.String() != text {
			t.Fatalf("%q: %v, %v", text, r, err)
		}
		out = append(out, r)
	}
	return out
}

func TestNamespacePolicy(t *testing.T) {
	for _, c := range []struct {
		about       string
		allow, deny []string
		cluster     ClusterID
		namespace   string
		admits      bool
		closed      string
		bars        string
	}{
		{"no rule", nil, nil, "west", "kube-system", true, "", ""},
		{"denied", nil, []string{"kube-*"}, "west", "kube-system", false, "denied by kube-*", "denied by kube-*"},
		{"not denied", nil, []string{"kube-*"}, "west", "shop", true, "", ""},
		{"denied to another", nil, []string{"north=shop"}, "west", "shop", true, "", ""},
		{"denied to this one", nil, []string{"w*=sh*"}, "west", "shop", false, "", "denied by w*=sh*"},
		{"allowed", []string{"shop"}, nil, "west", "shop", true, "", ""},
		{"not allowed", []string{"shop"}, nil, "west", "stock", false, "not among those allowed", "not among those allowed"},
		{"allowed to another", []string{"north=shop"}, nil, "west", "shop", false, "", "not among those allowed"},
		{"allowed, and denied", []string{"shop"}, []string{"west=shop"}, "west", "shop", false, "", "denied by west=shop"},
	} {
		n := Namespaces{rules(t, c.allow...), rules(t, c.deny...)}
		if got := n.Admits(c.cluster, c.namespace); got != c.admits {
			t.Errorf("%s: admits %t", c.about, got)
		}
		if got := n.Closed(c.namespace); got != c.closed {
			t.Errorf("%s: closed %q, want %q", c.about, got, c.closed)
		}
		if got := n.Bars(c.cluster, c.namespace); got != c.bars {
			t.Errorf("%s: bars %q, want %q", c.about, got, c.bars)
		}
	}
}

func TestNamespaceRulesAreGlobs(t *testing.T) {
	for _, text := range []string{"", "=", "west=", "=shop", "Shop", "a=b=c", "shop/web", "sh op"} {
		if r, err := ParseNamespaceRule(text); err == nil {
			t.Errorf("%q is %+v", text, r)
		}
	}
}

// A policy that tells clusters apart hides from one what another sees.
func TestWithheldNamespacesAreHidden(t *testing.T) {
	own := NewStore("own")
	own.Withhold(Namespaces{Deny: rules(t, "west=shop")})
	own.Announce(1, []*Export{web("own", "web")})
	if n := own.SeenBy("west").Head("own").Records; n != 0 {
		t.Errorf("west sees %d records", n)
	}
	for _, viewer := range []ClusterID{"north", "own"} {
		if n := own.SeenBy(viewer).Head("own").Records; n != 1 {
			t.Errorf("%s sees %d records", viewer, n)
		}
	}
}

// What is denied to everybody is withheld too, also by an agent that has not read its cluster yet.
func TestClosedNamespacesAreHidden(t *testing.T) {
	own := NewStore("own")
	own.Withhold(Namespaces{Deny: rules(t, "shop")})
	own.Announce(1, []*Export{web("own", "web")})
	if n := own.SeenBy("west").Head("own").Records; n != 0 {
		t.Errorf("west sees %d records", n)
	}
}
