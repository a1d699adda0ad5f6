package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/integration/coredns"
	"github.com/hansa-mcs/hansa/integration/lab"
)

func newBuild() *cobra.Command {
	return &cobra.Command{
		Use:   "build",
		Short: "Build the binaries of the control planes, once for each version, as up does too, and CoreDNS",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, manager := range []bool{false, true} {
				binary, err := lab.Build(cmd.Context(), cmd.ErrOrStderr(), manager)
				if err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), binary)
			}
			binary, err := coredns.Build(cmd.Context(), cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), binary)
			return nil
		},
	}
}
