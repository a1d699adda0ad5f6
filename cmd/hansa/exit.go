package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

// The exit statuses beside 0. Those of `hansa status` mean degraded and failed; the others say why a cluster was not let
// in, one for each enroll.Code in the order of enroll.Codes, so that a script can tell.
const (
	exitFailed = 1
	exitUsage  = 2
	exitRefuse = 10
)

// errUsage is wrapped by what is wrong with what was typed.
var errUsage = errors.New("see --help")

// status returns the exit status of an error.
func status(err error) int {
	if err == nil {
		return 0
	}
	if status, ok := isVerdict(err); ok {
		return status
	}
	code := enroll.CodeOf(err)
	if i := slices.Index(enroll.Codes(), code); i >= 0 {
		return exitRefuse + i
	}
	if errors.Is(err, errUsage) || errors.Is(err, link.ErrNoContext) {
		return exitUsage
	}
	return exitFailed
}

// run runs the command that was typed. Where only one of several can be meant, and none of them is, that is an error instead
// of help, which a script would take for success.
func run(ctx context.Context, root *cobra.Command) error {
	c, err := root.ExecuteContextC(ctx)
	if err != nil {
		return err
	}
	return unknown(c)
}

// unknown is what is wrong with the words after a command that is nothing but a place for others.
func unknown(c *cobra.Command) error {
	if c.Runnable() || c.Flags().Changed("help") || c.Flags().NArg() == 0 {
		return nil
	}
	return noCommand(c, c.Flags().Arg(0))
}

func noCommand(c *cobra.Command, word string) error {
	c.SuggestionsMinimumDistance = max(c.SuggestionsMinimumDistance, 2)
	near := ""
	if list := c.SuggestionsFor(word); len(list) > 0 {
		near = "; did you mean " + strings.Join(list, " or ") + "?"
	}
	return fmt.Errorf("there is no command %q%s: %w", strings.TrimSpace(pathOf(c)+" "+word), near, errUsage)
}

// checkUsage makes what is wrong with flags and arguments, of any command below root, an error that wraps errUsage.
func checkUsage(root *cobra.Command) {
	help := root.HelpFunc()
	root.SetHelpFunc(func(c *cobra.Command, args []string) {
		if unknown(c) == nil {
			help(c, args)
		}
	})
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", err, errUsage) })
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return checkFlags(c) }
	walk(root, func(c *cobra.Command) {
		if c.Runnable() && c.Args != nil {
			c.Args = checkArguments(c.Args, takesArguments(c))
		}
	})
}

// checkArguments says in the words of a command's usage what check refuses; any means that there may be arguments.
func checkArguments(check cobra.PositionalArgs, any bool) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		err := check(c, args)
		_, wanted, _ := strings.Cut(c.Use, " ")
		switch {
		case err == nil || errors.Is(err, errUsage) || errors.Is(err, link.ErrNoContext):
			return err
		case !any:
			return fmt.Errorf("%s %q: it takes no arguments: %w", pathOf(c), args[0], errUsage)
		}
		return fmt.Errorf("%s: want %s, got %d arguments: %w", pathOf(c), wanted, len(args), errUsage)
	}
}

// checkFlags finds flags that are missing or contradict each other.
func checkFlags(c *cobra.Command) error {
	var missing []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Annotations[cobra.BashCompOneRequiredFlag] != nil && !f.Changed {
			missing = append(missing, "--"+f.Name)
		}
	})
	if len(missing) > 0 {
		return fmt.Errorf("%s needs %s: %w", pathOf(c), strings.Join(missing, " and "), errUsage)
	}
	if together := excluded(c); together != "" {
		return fmt.Errorf("%s: want one of them: %w", together, errUsage)
	}
	if err := c.ValidateFlagGroups(); err != nil {
		return fmt.Errorf("%w: %w", err, errUsage)
	}
	return nil
}

// excluding is the annotation by which cobra keeps the flags of MarkFlagsMutuallyExclusive: each has the names of its group.
const excluding = "cobra_annotation_mutually_exclusive"

// excluded returns the flags that were given and do not go together, "" for none.
func excluded(c *cobra.Command) (together string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		for _, group := range f.Annotations[excluding] {
			var given []string
			for name := range strings.FieldsSeq(group) {
				if c.Flags().Changed(name) {
					given = append(given, "--"+name)
				}
			}
			if len(given) > 1 {
				together = strings.Join(given, " and ")
			}
		}
	})
	return together
}
