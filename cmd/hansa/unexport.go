package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/exports"
)

func unexportCommand() *cobra.Command {
	var s shared
	var output string
	var dry dryRun
	c := &cobra.Command{
		Use:   "unexport SERVICE",
		Short: "Take a Service back from other clusters",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := s.exports()
			if err != nil {
				return err
			}
			if dry.client() {
				return dry.show(c, output, exports.Object(s.namespace, args[0], nil))
			}
			was, err := x.Delete(c.Context(), args[0])
			if err != nil {
				return err
			}
			line := fmt.Sprintf("Service %s/%s is exported no more", s.namespace, args[0])
			if !was {
				line = fmt.Sprintf("Service %s/%s was not exported", s.namespace, args[0])
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), line)
			return err
		},
	}
	s.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print the ServiceExport that would go, and delete nothing")
	return c
}
