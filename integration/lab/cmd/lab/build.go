package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/integration/lab"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the control planes' binaries, once for each version; up does it too",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, manager := range []bool{false, true} {
				binary, err := lab.Build(cmd.Context(), cmd.ErrOrStderr(), manager)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), binary)
			}
			return nil
		},
	}
}
