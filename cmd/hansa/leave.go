package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func leaveCommand() *cobra.Command {
	var w where
	var undo bool
	var wait time.Duration
	c := &cobra.Command{
		Use:   "leave",
		Short: "Take this cluster out of its clusterset: nothing of it is served elsewhere, and nothing imported here",
		Long: `Take this cluster out of its clusterset.

Its agents withdraw what it exports, so that all other clusters let go of it at once, and delete what was imported here.
They stay, and stay out, until --undo. What the Service and the ServiceExports say is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := w.connect()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), wait, fmt.Errorf("--wait %s is over", wait))
			defer cancel()
			done := "this cluster has left its clusterset"
			if undo {
				done = "this cluster is a member of its clusterset again"
				err = t.Rejoin(ctx)
			} else {
				err = t.Leave(ctx, telling(c))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), done)
			return err
		},
	}
	w.add(c)
	c.Flags().BoolVar(&undo, "undo", false, "become a member again")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for the agents")
	return c
}
