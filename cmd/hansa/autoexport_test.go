package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
)

// What of the flags does not go with --auto, or without it, is told before anybody is asked.
func TestFlagsOfAutoExport(t *testing.T) {
	for typed, want := range map[string]string{
		"--auto":                            "--auto: the agents export by themselves once you turn that on, by hansa features set MCSAutoExport=true; look first, with --auto --dry-run",
		"--auto --dry-run=client":           "--dry-run=client: with --auto want --dry-run, as the agents are asked for their rules",
		"web --auto --dry-run":              `"web": with --auto want no name of a Service`,
		"web --selector a=b":                "--selector: it is for --auto",
		"web --namespace-selector a=b":      "--namespace-selector: it is for --auto",
		"--auto --dry-run --to west":        "--auto and --to: want one of them",
		"--auto --dry-run --selector a=b=c": `invalid argument "a=b=c" for "--selector" flag: want labels such as team=a,!private: found '=', expected: ',' or 'end of string'`,
		"--auto --dry-run --selector a=b":   "",
	} {
		root := command()
		root.SetArgs(append([]string{"export", "--kubeconfig", t.TempDir() + "/none"}, strings.Fields(typed)...))
		err := run(t.Context(), root)
		if want != "" && (!errors.Is(err, errUsage) || err.Error() != want+": see --help") {
			t.Errorf("export %s: %v", typed, err)
		}
		if want == "" && (err == nil || errors.Is(err, errUsage)) { // there is no cluster to ask
			t.Errorf("export %s: %v", typed, err)
		}
	}
}

// The rules are the agents', but for the selectors that are given.
func TestRulesOfAutoExport(t *testing.T) {
	said := func() *report.Features {
		return &report.Features{
			AutoExport: report.AutoExport{
				NamespaceSelector: "team", ServiceSelector: "!private",
				ClusterLocal: []string{"*.inner.svc.k8s.test"}, ClusterDomain: "k8s.test", AgentNamespace: "agents",
			},
			Export: report.Rules{Deny: []string{"closed"}},
		}
	}
	for typed, want := range map[string]string{
		"":                             "team and !private",
		"--selector a=b":               "team and a=b",
		"--selector=":                  "team and ",
		"--namespace-selector a,b!=c":  "a,b!=c and !private",
		"--namespace-selector a==b,!c": "a==b,!c and !private",
	} {
		a := parseAuto(t, typed)
		r, err := a.rules(said())
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Namespaces.String() + " and " + r.Services.String(); got != want {
			t.Errorf("%q: %s, want %s", typed, got, want)
		}
		for _, namespace := range []string{"inner", "agents", "kube-system"} {
			if !r.Locals.Stays(federation.ServiceName{Namespace: namespace, Name: "x"}) {
				t.Errorf("what is in %s does not stay", namespace)
			}
		}
		if r.Policy.Closed("closed") == "" || r.Policy.Closed("open") != "" {
			t.Errorf("policy %+v", r.Policy)
		}
	}
	for what, spoil := range map[string]func(f *report.Features){
		"reading the agent's selector":              func(f *report.Features) { f.AutoExport.NamespaceSelector = "a=b=c" },
		`reading the agent's selector "=": `:        func(f *report.Features) { f.AutoExport.ServiceSelector = "=" },
		"reading what stays in the agent's cluster": func(f *report.Features) { f.AutoExport.ClusterLocal = []string{"web"} },
		"reading the agent's export policy":         func(f *report.Features) { f.Export.Allow = []string{"A"} },
	} {
		f := said()
		spoil(f)
		if _, err := parseAuto(t, "").rules(f); err == nil || !strings.HasPrefix(err.Error(), what) {
			t.Errorf("%v, want %s", err, what)
		}
	}
}

func parseAuto(t *testing.T, typed string) *autoExport {
	t.Helper()
	var a autoExport
	c := &cobra.Command{}
	c.Flags().String("to", "", "")
	a.add(c)
	if err := c.ParseFlags(strings.Fields(typed)); err != nil {
		t.Fatal(err)
	}
	return &a
}
