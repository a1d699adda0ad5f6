package agent

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagMistake says in one line what is wrong with a flag of the command line, and what is expected.
func flagMistake(_ *cobra.Command, err error) error {
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s %q: want %s", e.GetFlag().Name, e.GetValue(), expected(e.GetFlag(), e.Unwrap()))
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fmt.Errorf("--%s: want a value behind it: %s", e.GetFlag().Name, e.GetFlag().Usage)
	}
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok && e.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag -%s: flags begin with two dashes, as in --cluster; see hansa-agent --help", e.GetSpecifiedShortnames())
	}
	return fmt.Errorf("%w; see hansa-agent --help", err)
}

// expected says what a flag takes that cannot be read for the reason err.
func expected(f *pflag.Flag, err error) string {
	switch f.Value.Type() {
	case "bool":
		return "true or false"
	case "duration":
		return aDuration
	case "int":
		return "a whole number such as 1000"
	}
	return fmt.Sprintf("%s (%v)", f.Usage, err)
}

// aDuration is what flags of that type take.
const aDuration = "a duration such as 5m or 30s"

// noArguments refuses them: what follows a flag that is true or false is none of its value.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := "see hansa-agent --help"
	c.Flags().Visit(func(f *pflag.Flag) {
		if f.Value.Type() == "bool" {
			hint = fmt.Sprintf("write --%s or --%s=false", f.Name, f.Name)
		}
	})
	return fmt.Errorf("unexpected %q: hansa-agent takes flags only; %s", args[0], hint)
}
