package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/exports"
	"github.com/hansa-mcs/hansa/exporter"
)

func unexportCommand() *cobra.Command {
	var s shared
	var agents where
	var output string
	var dry dryRun
	var optOut bool
	c := &cobra.Command{
		Use:   "unexport SERVICE",
		Short: "Take a Service back from other clusters",
		Long: `Take a Service back from other clusters.

Of one that the agents exported by themselves, the Service is annotated with hansa.dev/export=false: so they leave it out. One
that was exported by hand is not, and where MCSAutoExport is on the agents may export it again at once: that is said, and with
--opt-out the Service is annotated whoever exported it.

Exit status: 0 taken back, 1 not, or exported again by the agents.`,
		Example: `  hansa unexport web -n shop
  hansa unexport web -n shop --opt-out`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := s.exports()
			if err != nil {
				return err
			}
			if dry.client() {
				return dry.unexport(c, output, s.namespace, args[0], optOut)
			}
			taken, err := x.TakeBack(c.Context(), args[0], optOut, agents.namespace)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "Service %s/%s %s\n", s.namespace, args[0], takenBack(args[0], taken))
			if err == nil && taken.Again {
				return errVerdict{status: exitFailed}
			}
			return err
		},
	}
	s.add(c)
	agents.addAgents(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print the ServiceExport that would go, for kubectl delete, or with --opt-out the annotation of the Service, for kubectl apply --server-side; change nothing, and ask nobody")
	c.Flags().BoolVar(&optOut, "opt-out", false, "annotate the Service with "+exporter.AutoAnnotation+"=false whoever exported it, so that the agents do not export it by themselves")
	return c
}

// takenBack says what became of the export of a Service.
func takenBack(name string, t exports.Taken) string {
	switch {
	case t.Again:
		return fmt.Sprintf("is exported again, by auto-export: hansa unexport %s once more opts it out, which --opt-out does in one go", name)
	case t.Was && t.OptedOut:
		return fmt.Sprintf("is exported no more; it is annotated with %s=false, or auto-export would export it again", exporter.AutoAnnotation)
	case t.Was:
		return "is exported no more"
	case t.OptedOut:
		return fmt.Sprintf("was not exported; it is annotated with %s=false, so auto-export leaves it out", exporter.AutoAnnotation)
	}
	return "was not exported"
}

// unexport prints what would go or, to opt out, what would be written. Those are two things, as who deletes what is printed
// must not delete the Service. What else there is to do is told beside it, as nobody is asked who exported the Service.
func (d *dryRun) unexport(c *cobra.Command, output, namespace, name string, optOut bool) error {
	if optOut {
		telling(c)(fmt.Sprintf("beside that ServiceExport %s/%s would be deleted: without --opt-out it is printed", namespace, name))
		return d.show(c, output, exports.OptOutObject(namespace, name))
	}
	telling(c)("if auto-export made it, the Service would be annotated first, or auto-export would export it again: with --opt-out that is printed")
	return d.show(c, output, exports.Object(namespace, name, nil))
}
