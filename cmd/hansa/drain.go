package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation"
)

func drainCommand() *cobra.Command {
	var over time.Duration
	c := drainOf(drainWords{
		use: "drain [CLUSTER]", short: "Take the traffic from a cluster, little by little",
		long: `Take the traffic from a cluster, little by little, before it is worked on. Its endpoints stay where nobody else has any that are
ready.

Without CLUSTER it is the own one: that is told to all, and clients everywhere turn to the others. With the ID of another cluster
it is for the clients of this cluster alone, whatever that cluster says of itself.

In ten steps xDS sends less of the traffic there, and headless names in the DNS begin with its endpoints less often. At the end it
gets none, by kube-proxy neither, which knows no weights and turns to the others then. hansa status shows how far it is, hansa
undrain takes it back.`,
		example: `  hansa drain --over 5m
  hansa drain west --over 0s`,
		done: func(d link.Drained) string {
			if d.Drain.Over == 0 {
				return fmt.Sprintf("cluster %s gets no traffic any more%s; hansa undrain takes that back", d.Cluster, aside(d))
			}
			return fmt.Sprintf("cluster %s loses its traffic until %s%s; hansa undrain takes that back", d.Cluster, d.Ends().UTC().Format(time.RFC3339), aside(d))
		},
	}, func(now time.Time) (federation.Drain, error) {
		if over < 0 || over > federation.MaxDrain || over%time.Second != 0 {
			return federation.Drain{}, fmt.Errorf("--over %s: want whole seconds, at most %s", over, federation.MaxDrain)
		}
		return federation.Drain{Since: now.UTC().Truncate(time.Second), Over: over}, nil
	})
	c.Flags().DurationVar(&over, "over", 5*time.Minute, "over which time; 0s takes it at once")
	return c
}

func undrainCommand() *cobra.Command {
	return drainOf(drainWords{
		use: "undrain [CLUSTER]", short: "Give a cluster its traffic back, at once",
		long: "Give a cluster, the own one or another, the traffic back that hansa drain took from it, at once.",
		done: func(d link.Drained) string {
			return fmt.Sprintf("cluster %s gets its traffic%s", d.Cluster, aside(d))
		},
	}, func(time.Time) (federation.Drain, error) { return federation.Drain{}, nil })
}

// aside says for whom it is, where that is not for all.
func aside(d link.Drained) string {
	if d.Own {
		return ""
	}
	return " from this cluster's clients"
}

// drainWords is what differs between the commands.
type drainWords struct {
	use, short, long, example string
	done                      func(link.Drained) string
}

func drainOf(words drainWords, wanted func(now time.Time) (federation.Drain, error)) *cobra.Command {
	var w where
	var output string
	var dry dryRun
	c := &cobra.Command{
		Use: words.use, Short: words.short, Long: words.long, Example: words.example,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var cluster federation.ClusterID
			var err error
			if len(args) == 1 {
				if cluster, err = federation.ParseClusterID(args[0]); err != nil {
					return err
				}
			}
			drain, err := wanted(time.Now())
			if err != nil {
				return err
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			d, err := t.Drain(c.Context(), cluster, drain, dry.client())
			if err != nil {
				return err
			}
			if dry.client() {
				return dry.show(c, output, d.Mark)
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), words.done(d))
			return err
		},
	}
	w.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print what asks the agents, for kubectl apply --server-side, after a look at what they are asked already, and change nothing")
	return c
}
