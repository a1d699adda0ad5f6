package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/features"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
)

// switched is the verdict on how gates stand.
type switched struct{ *report.Features }

// ExitStatus implements verdict.
func (s switched) ExitStatus() int {
	if len(s.Faults) > 0 || s.AutoExport.Trouble != "" {
		return report.Degraded.ExitStatus()
	}
	return report.Good.ExitStatus()
}

func featuresCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "features",
		Short: "Say how the gates stand that switch what the agents do: by whose word, since when, and what it means",
		Long: `Say how the gates stand that switch what the agents do: by whose word, since when, and what it means as it stands.

A gate stands by the strongest word on it: by default, by the environment of the agents, by their flag --feature-gates, or by
ConfigMap hansa-features, which set and unset write, and which the agents obey at once.

Exit status: 0 all gates stand as was said, 1 not all, or auto-export is in trouble, 2 nobody answers.`,
		Example: `  hansa features
  hansa features set MCSServiceDiscovery=false
  hansa features unset MCSServiceDiscovery`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(c, args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Features, error) { return a.Features(ctx) },
				tables.Features, func(f *report.Features) verdict { return switched{f} })
		},
	}
	l.add(c)
	c.AddCommand(setFeaturesCommand(), unsetFeaturesCommand())
	return c
}

// turning are the flags of commands that turn gates.
type turning struct {
	where
	output string
	dry    dryRun
}

func (t *turning) add(c *cobra.Command, usage string) {
	t.addBeside(c) // --agent-namespace, as hansa features has it
	addDryOutput(c, &t.output)
	t.dry.add(c.Flags(), usage)
}

func setFeaturesCommand() *cobra.Command {
	var t turning
	c := &cobra.Command{
		Use:   "set NAME=BOOL...",
		Short: "Turn gates on or off at run time, whatever flags and the environment of the agents say",
		Long: `Turn gates on or off at run time, whatever flags and the environment of the agents say: ConfigMap hansa-features in their
namespace says it from now on. Of several gates all are turned, or with a mistake in one of them none.

Without MCSServiceDiscovery this cluster withdraws what it exports from the others first, and then deletes what was imported
here.`,
		Example: "  hansa features set MCSAutoExport=true\n  hansa features set MCSHost=false MCSClusterLocal=false",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			turns, err := parseTurns(args)
			if err != nil {
				return err
			}
			return t.turn(c, func(map[string]string) (link.Turns, error) { return turns, nil }, false)
		},
	}
	t.add(c, "print what asks the agents, for kubectl apply --server-side, and ask nobody")
	return c
}

func unsetFeaturesCommand() *cobra.Command {
	var t turning
	var all bool
	c := &cobra.Command{
		Use:   "unset NAME...",
		Short: "Let gates stand again as flags, the environment of the agents, or the defaults say",
		Long: `Let gates stand again as flags, the environment of the agents, or the defaults say: ConfigMap hansa-features says nothing of them
from now on. What somebody wrote into it that is no gate is taken out by its name, too.`,
		Example: "  hansa features unset MCSServiceDiscovery\n  hansa features unset --all",
		Args: func(c *cobra.Command, args []string) error {
			switch {
			case all && len(args) > 0:
				return fmt.Errorf("--all: want it without names of gates: %w", errUsage)
			case all:
				return nil
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			return t.turn(c, func(data map[string]string) (link.Turns, error) { return unsetOf(data, args) }, all)
		},
	}
	t.add(c, "print what asks the agents, for kubectl patch --type merge, and ask nobody")
	c.Flags().BoolVar(&all, "all", false, "every gate, and whatever else is in the ConfigMap")
	return c
}

// unsetOf takes gates out of the ConfigMap's data, and what is no gate if it is there; without names all that is there.
func unsetOf(data map[string]string, names []string) (link.Turns, error) {
	turns := link.Turns{}
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(data))
	}
	for _, name := range names {
		if _, there := data[name]; !there {
			if _, err := features.ParseGate(name); err != nil {
				return nil, fmt.Errorf("%w: %w", err, errUsage)
			}
		}
		turns[features.Gate(name)] = nil
	}
	return turns, nil
}

// parseTurns reads all of NAME=BOOL, and tells every mistake.
func parseTurns(args []string) (link.Turns, error) {
	turns := link.Turns{}
	var wrong []string
	for _, arg := range args {
		g, on, err := features.ParseSetting(arg)
		switch before := turns[g]; {
		case err != nil:
			wrong = append(wrong, err.Error())
		case before != nil && *before != on:
			wrong = append(wrong, fmt.Sprintf("gate %s is both on and off: want one of them", g))
		default:
			turns[g] = &on
		}
	}
	if len(wrong) > 0 {
		return nil, fmt.Errorf("%s: %w", strings.Join(wrong, "; "), errUsage)
	}
	return turns, nil
}

// turn writes what the ConfigMap is to say, or shows it: what is chosen of what it says now. all is to leave nothing in it.
func (t *turning) turn(c *cobra.Command, choose func(data map[string]string) (link.Turns, error), all bool) error {
	if t.dry.client() {
		return t.print(c, choose, all)
	}
	target, err := t.connect()
	if err != nil {
		return err
	}
	var turns link.Turns
	data, err := target.TurnGates(c.Context(), func(data map[string]string) (_ link.Turns, err error) {
		turns, err = choose(data)
		return turns, err
	})
	if err != nil {
		return err
	}
	if on := turns[features.ServiceDiscovery]; on != nil && !*on {
		telling(c)("what this cluster exports is withdrawn from the others first, and then what was imported here; if it is on again within five minutes (the agents' --address-rest) all addresses come back")
	}
	_, err = fmt.Fprintf(c.OutOrStdout(), "ConfigMap %s/%s %s; hansa features shows how the gates stand\n", t.namespace, features.ConfigMap, asks(data))
	for _, fault := range link.GateFaults(t.namespace, data) {
		telling(c)(fault)
	}
	return err
}

// print shows what would be written, of a ConfigMap that is not looked at.
func (t *turning) print(c *cobra.Command, choose func(data map[string]string) (link.Turns, error), all bool) error {
	if all {
		return t.dry.show(c, t.output, link.GatesObject(t.namespace, nil))
	}
	turns, err := choose(nil)
	if err != nil {
		return err
	}
	if err := turns.Check(t.namespace, nil); err != nil {
		return err
	}
	return t.dry.show(c, t.output, link.GatesObject(t.namespace, turns))
}

// asks says what the ConfigMap asks for, in the order in which people are told of gates.
func asks(data map[string]string) string {
	var list []string
	for _, d := range features.Definitions() {
		if value, said := data[string(d.Gate)]; said {
			list = append(list, string(d.Gate)+"="+value)
		}
	}
	if len(list) == 0 {
		return "turns no gate"
	}
	return "asks for " + strings.Join(list, " ")
}

// gateNames and gateSettings offer what was not typed yet.
func gateNames(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return offerGates(args, func(d features.Definition) []cobra.Completion {
		return []cobra.Completion{cobra.CompletionWithDesc(string(d.Gate), "on: "+d.On)}
	})
}

func gateSettings(c *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return offerGates(args, func(d features.Definition) []cobra.Completion {
		return []cobra.Completion{cobra.CompletionWithDesc(string(d.Gate)+"=true", d.On), cobra.CompletionWithDesc(string(d.Gate)+"=false", d.Off)}
	})
}

func offerGates(args []string, of func(features.Definition) []cobra.Completion) (list []cobra.Completion, _ cobra.ShellCompDirective) {
	for _, d := range features.Definitions() {
		if !slices.ContainsFunc(args, func(a string) bool { name, _, _ := strings.Cut(a, "="); return name == string(d.Gate) }) {
			list = append(list, of(d)...)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
