package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/complete"
	"github.com/hansa-mcs/hansa/cmd/hansa/install"
)

// nothing is for what is of the person's own making, or a secret: there is nothing to offer, files least of all.
var nothing = cobra.NoFileCompletions

// ofArguments says what the arguments of commands are, by the command's path below hansa. Commands without arguments, and
// those that have commands below them, are not in it.
var ofArguments = map[string]cobra.CompletionFunc{
	"drain":          first(otherClusters),
	"endpoints":      first(names(complete.Source.ServiceNames)),
	"explain":        first(names(complete.Source.ServiceNames)),
	"export":         first(names(complete.Source.Services)),
	"features set":   gateSettings,
	"features unset": gateNames,
	"services":       first(names(complete.Source.ServiceNames)),
	"token revoke":   first(names(complete.Source.Tokens)),
	"undrain":        first(otherClusters),
	"unexport":       first(names(complete.Source.Exports)),
	"xds clients":    first(names(complete.Source.XDSClients)),
	"xds dump":       names(complete.Source.ServiceNames),
}

// ofFlags says what the values of flags are, by the flag's name. Flags whose type says it are not in it; see ofType.
var ofFlags = map[string]cobra.CompletionFunc{
	"address":            nothing,
	"advertise":          nothing,
	"agent":              nothing,
	"agent-namespace":    names(complete.Source.Namespaces),
	"client":             names(complete.Source.XDSClients),
	"cluster":            nothing, // an ID that no cluster has yet
	"clusterset":         nothing,
	"context":            names(complete.Source.Contexts),
	"egress":             nothing,
	"file":               files,
	"files":              folders,
	"kubeconfig":         files,
	"namespace":          names(complete.Source.Namespaces),
	"namespace-selector": nothing,
	"next":               nothing, // as cluster
	"peer":               nothing,
	"region":             nothing,
	"selector":           nothing,
	"set":                nothing,
	"to":                 clusterList,
	"token":              nothing,
	"token-file":         files,
	"type":               typeList,
	"values":             files,
	"zone":               nothing,
}

// ofType returns what the values of a flag are if its type says that.
func ofType(f *pflag.Flag) cobra.CompletionFunc {
	if few, ok := f.Value.(*choice); ok {
		return fixed(few.choices...)
	}
	switch f.Value.Type() {
	case "bool":
		return fixed("true", "false")
	case "duration", "int":
		return nothing
	}
	return nil
}

// addCompletions gives each command and flag below root what is known of its values. What nothing is known of stays without,
// which a test finds.
func addCompletions(root *cobra.Command) {
	walk(root, func(c *cobra.Command) {
		path := pathOf(c)
		if c.ValidArgsFunction == nil && len(c.ValidArgs) == 0 {
			c.ValidArgsFunction = ofArguments[path]
			if c.HasSubCommands() || !takesArguments(c) {
				c.ValidArgsFunction = nothing
			}
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			for _, known := range []cobra.CompletionFunc{ofFlags[f.Name], ofType(f)} {
				if known != nil {
					_ = c.RegisterFlagCompletionFunc(f.Name, known) // the flag is there
					return
				}
			}
		})
	})
}

// addCompletionCommand adds cobra's command that prints what a shell needs, and says where each shell looks for it.
func addCompletionCommand(root *cobra.Command, group string) {
	root.SetCompletionCommandGroupID(group)
	root.InitDefaultCompletionCmd()
	c, _, _ := root.Find([]string{"completion"})
	c.Short = "Print what lets a shell complete commands, flags, and the names that are in the clusters"
	c.Long = `Print what lets a shell complete commands, flags, and the names that are in the clusters: contexts, namespaces, services,
clusters, tokens. They are looked up when they are asked for, with the rights of whoever types.

For bash, which needs its package bash-completion; a new shell has it then:

  mkdir -p ~/.local/share/bash-completion/completions
  hansa completion bash >~/.local/share/bash-completion/completions/hansa

For zsh, where compinit is on:

  hansa completion zsh >"${fpath[1]}/_hansa"

For fish:

  hansa completion fish >~/.config/fish/completions/hansa.fish

For kubectl hansa, with kubectl's own completion and a folder of PATH, such as ~/bin: two links, by the first of which
kubectl finds the plugin, and by the second what completes it:

  ln -s "$(command -v hansa)" ~/bin/kubectl-hansa
  ln -s "$(command -v hansa)" ~/bin/kubectl_complete-hansa`
	for _, shell := range c.Commands() {
		switch shell.Name() {
		case "bash":
			shell.RunE = printBash
		case "powershell":
			shell.Hidden = true
		}
	}
}

// printBash prints cobra's script for bash as keepCommas changes it.
func printBash(c *cobra.Command, _ []string) error {
	plain, err := c.Flags().GetBool("no-descriptions")
	if err != nil {
		return err
	}
	var script bytes.Buffer
	if err := c.Root().GenBashCompletionV2(&script, !plain); err != nil {
		return err
	}
	changed, err := keepCommas(script.String())
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.OutOrStdout(), changed)
	return err
}

// keepCommas changes cobra's script for bash, which would put a backslash before the commas of a list, and then find that
// nothing goes on from there. Another cobra's may have no such line.
func keepCommas(script string) (string, error) {
	const quote = `COMPREPLY[0]=$(printf "%q" "${COMPREPLY[0]}")`
	before, after, found := strings.Cut(script, quote)
	if !found {
		return "", fmt.Errorf("the script for bash would break lists at their commas: it has no line %s any more", quote)
	}
	return before + quote + "\n            COMPREPLY[0]=${COMPREPLY[0]//\\\\,/,}" + after, nil
}

// addHelpCommand adds cobra's help, which says so if there is no such command.
func addHelpCommand(root *cobra.Command, group string) {
	root.SetHelpCommandGroupID(group)
	root.InitDefaultHelpCmd()
	c, _, _ := root.Find([]string{"help"})
	c.Args = func(_ *cobra.Command, words []string) error {
		if found, rest, _ := root.Find(words); len(rest) > 0 {
			return noCommand(found, rest[0])
		}
		return nil
	}
}

// walk calls see for a command and all below it.
func walk(c *cobra.Command, see func(*cobra.Command)) {
	see(c)
	for _, below := range c.Commands() {
		walk(below, see)
	}
}

// pathOf returns the names by which a command is found below the root.
func pathOf(c *cobra.Command) string {
	if !c.HasParent() {
		return ""
	}
	return strings.TrimSpace(pathOf(c.Parent()) + " " + c.Name())
}

// takesArguments reports whether a command may have any.
func takesArguments(c *cobra.Command) bool {
	return c.Args == nil || c.Args(c, []string{"x"}) == nil || c.Args(c, []string{"x", "x"}) == nil
}

// names offers what find finds where the flags of the command say.
func names(find func(complete.Source, context.Context, string) []complete.Name) cobra.CompletionFunc {
	return func(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return offer(find(sourceOf(c), c.Context(), typed)), cobra.ShellCompDirectiveNoFileComp
	}
}

// clusterList offers clusters for the last element of a list.
func clusterList(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	given, _ := c.Flags().GetStringSlice("to")
	return offer(sourceOf(c).Clusters(c.Context(), given, typed)), cobra.ShellCompDirectiveNoFileComp
}

// otherClusters offers the IDs of the other clusters.
func otherClusters(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return offer(sourceOf(c).Clusters(c.Context(), nil, typed)), cobra.ShellCompDirectiveNoFileComp
}

// typeList offers types of xDS for the last element of a list.
func typeList(c *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var names []complete.Name
	for _, t := range report.XDSTypes {
		names = append(names, complete.Name{Text: string(t)})
	}
	var given []string // as --type has a default, which is what there is before any
	if c.Flags().Changed("type") {
		given, _ = c.Flags().GetStringSlice("type")
	}
	return offer(complete.Last(names, given, typed)), cobra.ShellCompDirectiveNoFileComp
}

func offer(names []complete.Name) []cobra.Completion {
	list := make([]cobra.Completion, len(names))
	for i, n := range names {
		list[i] = cobra.CompletionWithDesc(n.Text, n.About)
	}
	return list
}

// first is for the first argument of a command; there is no second one.
func first(f cobra.CompletionFunc) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(c, args, typed)
		}
		return f(c, args, typed)
	}
}

func fixed(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

func files(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func folders(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// sourceOf reads from a command's flags where its names are. --namespace is the agents' where it has a default, and else that of
// the Services that the command works on.
func sourceOf(c *cobra.Command) complete.Source {
	value := func(flag string) string {
		if f := c.Flags().Lookup(flag); f != nil {
			return f.Value.String()
		}
		return ""
	}
	s := complete.Source{Kubeconfig: value("kubeconfig"), Context: value("context"), Agent: value("agent"), Namespace: value("namespace")}
	s.Agents = cmp.Or(value("agent-namespace"), install.DefaultNamespace)
	if f := c.Flags().Lookup("namespace"); f != nil && f.DefValue != "" {
		s.Agents, s.Namespace = s.Namespace, ""
	}
	return s
}
