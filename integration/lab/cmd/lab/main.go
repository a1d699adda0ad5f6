// Command lab keeps Kubernetes control planes running on this machine, for
// trying things out by hand: up starts them, down ends them.
//
// In go cluster names, out comes a kubeconfig with a context per cluster. The
// control planes belong to a supervisor in the background, which up starts and
// down ends; if it is killed, they end as well. A program or test that needs
// clusters for itself uses package lab directly.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		if hint, ok := errors.AsType[hintError](err); ok {
			fmt.Fprintln(os.Stderr, "  "+hint.hint)
		}
		os.Exit(1)
	}
}

// program is what a person types.
const program = "go run ./integration/lab/cmd/lab"

// defaultName is the name of a lab that is given none.
const defaultName = "lab"

// hintError is an error together with what to do about it.
type hintError struct {
	error
	hint string
}

func newCommand() *cobra.Command {
	var name string
	root := &cobra.Command{
		Use:           "lab",
		Short:         "Real Kubernetes control planes on this machine: no root, no containers",
		SilenceUsage:  true,
		SilenceErrors: true,
		Example: `  go run ./integration/lab/cmd/lab up --clusters east,west,north
  eval "$(go run ./integration/lab/cmd/lab kubeconfig --export)"
  kubectl --context west get namespaces
  go run ./integration/lab/cmd/lab down`,
	}
	root.PersistentFlags().StringVar(&name, "name", defaultName, "which lab, if several run side by side")
	root.AddCommand(newBuild(), newTools(), newUp(&name), newDown(&name), newStatus(&name), newKubeconfig(&name), newSupervise(&name))
	root.CompletionOptions.HiddenDefaultCmd = true
	return root
}
