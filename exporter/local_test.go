package exporter

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

func serviceNamed(text string) federation.ServiceName {
	namespace, name, _ := strings.Cut(text, "/")
	return federation.ServiceName{Namespace: namespace, Name: name}
}

// What stays, by default and by patterns of which the most specific one counts.
func TestWhatStaysLocal(t *testing.T) {
	for what, c := range map[string]struct {
		patterns    []string
		stay, leave []string
	}{
		"the default": {nil,
			[]string{"kube-system/dns", "kube-public/x", "kube-/x", "default/kubernetes", "hansa-system/agent"},
			[]string{"default/web", "shop/kubernetes", "kube/x", "my-kube-x/x", "hansa/agent"}},
		"a host": {[]string{"web.shop.svc.cluster.local"},
			[]string{"shop/web"}, []string{"shop/api", "web/shop"}},
		"a namespace": {[]string{"*.shop.svc.cluster.local=true"},
			[]string{"shop/web", "shop/api"}, []string{"shop2/web"}},
		"a glob": {[]string{"*.team-*-db.svc.cluster.local"},
			[]string{"team-a-db/web", "team--db/x"}, []string{"team-a/web", "a-team-a-db/x"}},
		"all, but what is more specific": {[]string{"*.svc.cluster.local", "*.team-*.svc.cluster.local=false", "*.team-a.svc.cluster.local=true", "web.team-a.svc.cluster.local=false"},
			[]string{"shop/web", "team-a/api", "kube-system/dns"}, []string{"team-b/web", "team-a/web"}},
		"a default is more specific than all": {[]string{"*.svc.cluster.local=false"},
			[]string{"kube-system/dns", "default/kubernetes", "hansa-system/agent"}, []string{"shop/web"}},
		"a default, as specific": {[]string{"*.kube-*.svc.cluster.local=false", "kubernetes.default.svc.cluster.local=false", "*.hansa-system.svc.cluster.local=false"},
			nil, []string{"kube-system/dns", "default/kubernetes", "hansa-system/agent"}},
		"a default, and one that is less specific": {[]string{"*.kub*.svc.cluster.local=false"},
			[]string{"kube-system/dns"}, []string{"kubernetes/x"}},
		"a default, and one that is more specific": {[]string{"*.kube-*m.svc.cluster.local=false"},
			[]string{"kube-public/x"}, []string{"kube-system/dns"}},
		"two globs that are as specific": {[]string{"*.a-*.svc.cluster.local=false", "*.*-b.svc.cluster.local"},
			[]string{"a-b/x", "c-b/x"}, []string{"a-c/x"}},
		"the same twice": {[]string{"*.shop.svc.cluster.local", "*.shop.svc.cluster.local=true"},
			[]string{"shop/web"}, nil},
	} {
		t.Run(what, func(t *testing.T) {
			l, err := ParseLocals("cluster.local", "hansa-system", c.patterns)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range c.stay {
				if !l.Stays(serviceNamed(text)) {
					t.Errorf("%s does not stay", text)
				}
			}
			for _, text := range c.leave {
				if name := serviceNamed(text); l.Stays(name) || l.why(name) != "" {
					t.Errorf("%s %q", text, l.why(name))
				}
			}
		})
	}
	if (Locals{}).Stays(serviceNamed("kube-system/dns")) {
		t.Error("without any pattern something stays")
	}
}

func TestPatternsThatCannotBeRead(t *testing.T) {
	const want = `: want SERVICE.NAMESPACE.svc.k8s.test, *.NAMESPACE.svc.k8s.test in whose namespace * stands for any characters, or *.svc.k8s.test for all, and =true, =false or nothing after it`
	for _, text := range []string{
		"", "*", "web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "shop.svc.k8s.test", ".svc.k8s.test", "svc.k8s.test", "web..svc.k8s.test",
		".shop.svc.k8s.test", "web.*.svc.k8s.test", "w*.shop.svc.k8s.test", "**.shop.svc.k8s.test", "a.web.shop.svc.k8s.test", "Web.shop.svc.k8s.test", "web.shop.svc.k8s.test.",
		"web.sh[o]p.svc.k8s.test", "*.-*.svc.k8s.test", "web.shop.svc.k8s.test=", "web.shop.svc.k8s.test=yes", "web.shop.svc.k8s.test=true=false",
	} {
		if _, err := ParseLocals("k8s.test", "hansa-system", []string{text}); err == nil || err.Error() != `pattern "`+text+`"`+want {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, c := range [][2]string{
		{"*.shop.svc.k8s.test", "*.shop.svc.k8s.test=false"}, {"*.*.svc.k8s.test=false", "*.svc.k8s.test"}, {"web.shop.svc.k8s.test=false", "web.shop.svc.k8s.test=true"},
	} {
		for range 2 {
			want := `patterns "` + min(c[0], c[1]) + `" and "` + max(c[0], c[1]) + `" contradict one another: want one of them`
			if _, err := ParseLocals("k8s.test", "hansa-system", c[:]); err == nil || err.Error() != want {
				t.Errorf("%q: %v", c, err)
			}
			slices.Reverse(c[:])
		}
	}
}

// The order of patterns means nothing, and the verdict is that of a plain search for the most specific one.
func TestTheOrderOfPatternsMeansNothing(t *testing.T) {
	all := []string{"*.svc.c", "*.a*.svc.c=false", "*.*a.svc.c", "*.a*a.svc.c=false", "*.kube-*.svc.c=false", "*.kub*.svc.c", "*.ab.svc.c=false",
		"*.aa.svc.c", "x.aa.svc.c=false", "x.ab.svc.c", "y.aa.svc.c", "*.kube-system.svc.c", "x.kube-system.svc.c=false", "kubernetes.default.svc.c=false", "*.own.svc.c=false"}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		some := slices.DeleteFunc(slices.Clone(all), func(string) bool { return random.IntN(2) == 0 })
		first := stays(t, some)
		for range 5 {
			random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
			if again := stays(t, some); again != first {
				t.Fatalf("%q: %s, in another order %s", some, first, again)
			}
		}
	}
}

// stays writes what stays of some Services, and holds it to plainly.
func stays(t *testing.T, patterns []string) string {
	t.Helper()
	l, err := ParseLocals("c", "own", patterns)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, namespace := range []string{"a", "aa", "ab", "aba", "b", "ba", "default", "kube-a", "kube-system", "kub", "own"} {
		for _, name := range []string{"x", "y", "kubernetes"} {
			is := federation.ServiceName{Namespace: namespace, Name: name}
			if l.Stays(is) {
				list = append(list, is.String())
			}
			if want := plainly(patterns, is); l.Stays(is) != want {
				t.Fatalf("%q: %s stays %t, want %t", patterns, is, l.Stays(is), want)
			}
		}
	}
	return strings.Join(list, " ")
}

// plainly is what Locals mean, as slow as it is plain.
func plainly(patterns []string, name federation.ServiceName) (verdict bool) {
	best := -1
	for i, text := range append([]string{"*.kube-*.svc.c", "kubernetes.default.svc.c", "*.own.svc.c"}, patterns...) {
		host, value, _ := strings.Cut(text, "=")
		host = strings.TrimSuffix(host, ".svc.c")
		service, namespace, found := strings.Cut(host, ".")
		if !found {
			namespace = "*"
		}
		before, after, glob := strings.Cut(namespace, "*")
		covers := namespace == name.Namespace ||
			glob && len(name.Namespace) >= len(before)+len(after) && strings.HasPrefix(name.Namespace, before) && strings.HasSuffix(name.Namespace, after)
		if !covers || service != "*" && service != name.Name {
			continue
		}
		rank := 4 * len(before+after)
		switch {
		case service != "*":
			rank = 2000
		case !glob:
			rank = 1000
		}
		if i >= 3 {
			rank += 2
		}
		if value != "false" {
			rank++
		}
		if rank > best {
			best, verdict = rank, value != "false"
		}
	}
	return verdict
}
