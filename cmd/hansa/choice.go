package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// choice is the value of a flag that has few, and refuses others as they are typed, before anything is done.
type choice struct {
	value   *string
	choices []string
}

// String implements pflag.Value.
func (c *choice) String() string {
	if c.value == nil { // as pflag asks for the zero value
		return ""
	}
	return *c.value
}

// Type implements pflag.Value.
func (c *choice) Type() string { return "string" }

// Set implements pflag.Value.
func (c *choice) Set(text string) error {
	if text != "" && !slices.Contains(c.choices, text) {
		return fmt.Errorf("want %s", orList(c.choices))
	}
	*c.value = text
	return nil
}

// orList writes a, b or c.
func orList(list []string) string {
	last := len(list) - 1
	if last < 1 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:last], ", ") + " or " + list[last]
}

// addOutput adds -o for a command whose result can be read by programs.
func addOutput(c *cobra.Command, output *string) {
	c.Flags().VarP(&choice{output, []string{"json", "yaml"}}, "output", "o", "json or yaml; without it text for people")
}

// addTableOutput adds -o for a command whose result is a table.
func addTableOutput(c *cobra.Command, output *string) {
	c.Flags().VarP(&choice{output, []string{"wide", "json", "yaml"}}, "output", "o", "wide, json or yaml; without it a table")
}

// addDryOutput adds -o for a command that prints objects with --dry-run, and lines for people without, where there is no
// other choice.
func addDryOutput(c *cobra.Command, output *string) {
	c.Flags().VarP(&choice{output, []string{"yaml", "json"}}, "output", "o", "with --dry-run, yaml or json; yaml without it")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if *output != "" && !c.Flags().Changed("dry-run") {
			return fmt.Errorf("--output %s: it is for --dry-run: %w", *output, errUsage)
		}
		return nil
	}
}
