package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A script may call this program by the names of kubectl's plugins, through links that it makes.
func init() {
	if name := filepath.Base(os.Args[0]); name == pluginName || name == completerName {
		main()
		os.Exit(0)
	}
}

// A new command or flag has to say how it is completed, or that there is nothing to complete.
func TestEveryFlagAndArgumentIsCompletedOrSaidNotToBe(t *testing.T) {
	all := 0
	walk(command(), func(c *cobra.Command) {
		if c.ValidArgsFunction == nil {
			t.Errorf("%s has arguments and no line in ofArguments", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			all++
			if _, ok := c.GetFlagCompletionFunc(f.Name); !ok {
				t.Errorf("%s --%s has no line in ofFlags", c.CommandPath(), f.Name)
			}
		})
	})
	if all < 50 {
		t.Errorf("%d flags were looked at, want all", all)
	}
}

// A line that is nobody's says something of a command that was meant to have it.
func TestEveryLineOfTheTablesIsOfACommand(t *testing.T) {
	arguments, flags := map[string]bool{}, map[string]bool{}
	walk(command(), func(c *cobra.Command) {
		if takesArguments(c) {
			arguments[pathOf(c)] = true
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			flags[f.Name] = true
		})
	})
	for path := range ofArguments {
		if !arguments[path] {
			t.Errorf("ofArguments: hansa has no command %q with arguments", path)
		}
	}
	for name := range ofFlags {
		if !flags[name] {
			t.Errorf("ofFlags: no command has --%s", name)
		}
	}
}

// What is offered for --output is what the flag's own words say.
func TestOutputsAreThoseOfTheCommand(t *testing.T) {
	walk(command(), func(c *cobra.Command) {
		f := c.Flags().Lookup("output")
		if f == nil {
			return
		}
		complete, _ := c.GetFlagCompletionFunc("output")
		offered, directive := complete(c, nil, "")
		if directive != cobra.ShellCompDirectiveNoFileComp {
			t.Errorf("%s --output completes files", c.CommandPath())
		}
		for _, value := range []string{"wide", "json", "yaml"} {
			has := slices.ContainsFunc(offered, func(o string) bool { return o == value || strings.HasPrefix(o, value+"\t") })
			if said := strings.Contains(f.Usage, value); has != said {
				t.Errorf("%s --output: %s is offered: %t; its usage is %q", c.CommandPath(), value, has, f.Usage)
			}
		}
	})
}

func TestEveryCommandIsInAGroup(t *testing.T) {
	for _, c := range command().Commands() {
		if c.GroupID == "" {
			t.Errorf("%s is in no group", c.Name())
		}
	}
}

// played runs a command that asks nobody, and returns what it prints and ends with.
func played(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	root := command()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := run(t.Context(), root)
	return out.String(), err
}

func TestWrongUse(t *testing.T) {
	for _, test := range []struct{ typed, want string }{
		{"statsu", `there is no command "statsu"; did you mean status?: see --help`},
		{"nothing of it", `there is no command "nothing": see --help`},
		{"token", ""},
		{"token maek", `there is no command "token maek": see --help`},
		{"token lsit", `there is no command "token lsit"; did you mean list?: see --help`},
		{"token lsit --help", ""},
		{"help", ""},
		{"help token", ""},
		{"help token list", ""},
		{"help token lsit", `there is no command "token lsit"; did you mean list?: see --help`},
		{"completion csh", `there is no command "completion csh"; did you mean bash or fish or zsh?: see --help`},
		{"status --agnet x", `unknown flag: --agnet: see --help`},
		{"--agnet", `unknown flag: --agnet: see --help`},
		{"status -x", `unknown shorthand flag: 'x' in -x: see --help`},
		{"status --agent", `flag needs an argument: --agent: see --help`},
		{"init --cluster east --clusterset acme --ttl soon", `invalid argument "soon" for "--ttl" flag: time: invalid duration "soon": see --help`},
		{"init", `init needs --cluster and --clusterset: see --help`},
		{"init --cluster east", `init needs --clusterset: see --help`},
		{"init east --cluster east --clusterset acme", `init "east": it takes no arguments: see --help`},
		{"join --cluster west --peer 192.0.2.1:1", `at least one of the flags in the group [token token-file] is required: see --help`},
		{"export", `export: want SERVICE, got 0 arguments: see --help`},
		{"export a b", `export: want SERVICE, got 2 arguments: see --help`},
		{"services a/ b/", `services: want [[NAMESPACE/]NAME], got 2 arguments: see --help`},
		{"version -o wide", `invalid argument "wide" for "-o, --output" flag: want json or yaml: see --help`},
		{"version", ""},
	} {
		t.Run(test.typed, func(t *testing.T) {
			out, err := played(t, strings.Fields(test.typed)...)
			switch {
			case test.want == "":
				if err != nil || out == "" {
					t.Errorf("%v, printed %q; want it to say something and be well", err, out)
				}
			case err == nil || err.Error() != test.want || status(err) != exitUsage || out != "":
				t.Errorf("status %d, %v, printed %q;\nwant status %d, %s", status(err), err, out, exitUsage, test.want)
			}
		})
	}
}

func TestCalledAs(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"/usr/bin/hansa", "export", "--help"}, "Usage:\n  hansa export SERVICE [flags]\n\nExamples:\n  hansa export web -n shop\n"},
		{[]string{"/usr/bin/kubectl-hansa", "export", "--help"}, "Usage:\n  kubectl hansa export SERVICE [flags]\n\nExamples:\n  kubectl hansa export web -n shop\n"},
		{[]string{"kubectl-hansa.exe", "--help"}, "\n  kubectl hansa init --context east "},
		{[]string{"/usr/bin/kubectl_complete-hansa", "token", "r"}, "revoke\tMake a token worthless; clusters that joined by it stay members\n:4\n"},
		{[]string{"/usr/bin/kubectl_complete-hansa", "status", "-o", ""}, "wide\njson\nyaml\n:4\n"},
	} {
		root := command()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&bytes.Buffer{})
		root.SetArgs(test.args[1:])
		calledAs(root, test.args)
		if err := run(t.Context(), root); err != nil || !strings.Contains(out.String(), test.want) {
			t.Errorf("%q: %v, prints\n%swant in it\n%s", test.args, err, &out, test.want)
		}
	}
}

// The script for bash is cobra's with one line changed, which must not stop being there without anybody noticing.
func TestBashKeepsCommas(t *testing.T) {
	script, err := played(t, "completion", "bash")
	if err != nil || strings.Count(script, `COMPREPLY[0]=${COMPREPLY[0]//\\,/,}`) != 1 {
		t.Errorf("%v, or lists are not kept in\n%s", err, script)
	}
	if changed, err := keepCommas("# another script"); err == nil {
		t.Errorf("a script without the line became %q", changed)
	}
}
