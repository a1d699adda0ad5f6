package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/integration/lab"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the control planes' binary, once for each version; up does it too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			binary, err := lab.Build(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), binary)
			return err
		},
	}
}
