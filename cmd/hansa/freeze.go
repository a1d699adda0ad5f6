package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
)

func freezeCommand() *cobra.Command {
	return brakeCommand(brake{
		name: "freeze", short: "Keep what is imported as it is, whatever other clusters say, until unfreeze",
		long: `Keep what is imported as it is, whatever other clusters say and whether they are heard, until hansa unfreeze: the brake for an
incident that comes from elsewhere.

What this cluster exports goes on, and its own endpoints are followed. The agents remember it when they start again; hansa
status says since when it is so.`,
		frozen: true, asked: "asked the agents to keep what is imported as it is",
		done: func(since time.Time) string {
			return fmt.Sprintf("what is imported is frozen since %s: it stays as it is, whatever other clusters say; hansa unfreeze releases it", since.UTC().Format(time.RFC3339))
		},
	})
}

func unfreezeCommand() *cobra.Command {
	return brakeCommand(brake{
		name: "unfreeze", short: "Let what is imported follow the other clusters again, at once",
		asked: "asked the agents to follow the other clusters again",
		done:  func(time.Time) string { return "what is imported follows the other clusters" },
	})
}

// brake is what differs between a command that pulls it and one that releases it.
type brake struct {
	name, short, long string
	frozen            bool
	asked             string
	done              func(since time.Time) string
}

func brakeCommand(b brake) *cobra.Command {
	var w where
	var wait time.Duration
	var output string
	var dry dryRun
	c := &cobra.Command{
		Use: b.name, Short: b.short, Long: b.long,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			now := time.Now()
			if dry.client() {
				return dry.show(c, output, link.FreezeMark(w.namespace, b.frozen, now))
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			if b.frozen {
				err = t.Freeze(c.Context(), now)
			} else {
				err = t.Unfreeze(c.Context())
			}
			if err != nil {
				return err
			}
			telling(c)(b.asked)
			if wait == 0 {
				return nil
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), wait, fmt.Errorf("--wait %s is over", wait))
			defer cancel()
			since, err := t.AwaitFrozen(ctx, b.frozen)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), b.done(since))
			return err
		},
	}
	w.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print what asks the agents, for kubectl apply --server-side, and ask nobody")
	c.Flags().DurationVar(&wait, "wait", time.Minute, "how long to wait for the agents; 0 waits for none")
	return c
}
