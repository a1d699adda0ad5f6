package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/integration/envoy"
	"github.com/hansa-mcs/hansa/integration/grpcpy"
)

// tools bring programs of others that tests run where they are there, and skip where they are not. Each returns the
// path of what it brought.
var tools = []func(ctx context.Context, out io.Writer) (path string, err error){
	envoy.Fetch,
	grpcpy.Fetch,
}

func newTools() *cobra.Command {
	return &cobra.Command{
		Use:   "tools",
		Short: "Fetch the programs of others that tests run if they have them, once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var failed []error
			for _, bring := range tools {
				path, err := bring(cmd.Context(), cmd.ErrOrStderr())
				if err != nil {
					failed = append(failed, err)
					continue
				}
				fmt.Fprintln(cmd.OutOrStdout(), path)
			}
			return errors.Join(failed...)
		},
	}
}
