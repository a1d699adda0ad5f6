package agent

import (
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// Command returns the command line of hansa-agent. Errors are returned, not printed.
func Command() *cobra.Command {
	options := Defaults()
	options.Getenv = os.Getenv
	c := &cobra.Command{
		Use:   "hansa-agent",
		Short: "Make services of other clusters usable in this one, and this one's in them",
		Long: `hansa-agent is a cluster's member of a clusterset.

It watches this cluster's ServiceExports, tells the other members what is exported, and makes what they
export usable here: as ServiceImports with clusterset IPs and EndpointSlices, by DNS, and by xDS.`,
		Example: `  hansa-agent --cluster west --clusterset acme --kubeconfig west.kubeconfig \
    --listen 10.0.0.2:8443 --peer 10.0.0.1:8443 \
    --tls-cert-file west.crt --tls-key-file west.key --tls-ca-file ca.crt`,
		Args:          noArguments,
		Version:       build(),
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := options.Validate(); err != nil {
				return err
			}
			log := options.logger(cmd.ErrOrStderr())
			// The libraries log through one global door each.
			ours := log.With("cluster", options.Cluster)
			ctrl.SetLogger(machinery(ours))
			klog.SetSlogLogger(slog.New(newLibrary(ours, slog.LevelInfo)))
			return Run(cmd.Context(), options, log)
		},
	}
	options.AddFlags(c.Flags())
	c.SetFlagErrorFunc(flagMistake)
	return c
}
