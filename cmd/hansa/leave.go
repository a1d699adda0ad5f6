package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
)

func leaveCommand() *cobra.Command {
	var w where
	var undo bool
	var wait time.Duration
	var output string
	var dry dryRun
	c := &cobra.Command{
		Use:   "leave",
		Short: "Take this cluster out of its clusterset: nothing of it is served elsewhere, and nothing imported here",
		Long: `Take this cluster out of its clusterset.

Its agents withdraw what it exports, so that all other clusters let go of it at once, and delete what was imported here.
They stay, and stay out, until --undo. What the Service and the ServiceExports say is not touched.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if dry.client() {
				return dry.show(c, output, link.Mark(w.namespace, !undo))
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			ask, asked, done := t.Leave, "asked the agents to leave; they tell the other clusters first", "this cluster has left its clusterset"
			if undo {
				ask, asked, done = t.Rejoin, "asked the agents to be members again", "this cluster is a member of its clusterset again"
			}
			if err := ask(c.Context()); err != nil {
				return err
			}
			telling(c)(asked)
			if wait == 0 {
				return nil
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), wait, fmt.Errorf("--wait %s is over", wait))
			defer cancel()
			if err := t.AwaitLeft(ctx, !undo); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), done)
			return err
		},
	}
	w.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print what asks the agents, for kubectl apply --server-side, and ask nobody")
	c.Flags().BoolVar(&undo, "undo", false, "become a member again")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for the agents; 0 waits for none")
	return c
}
