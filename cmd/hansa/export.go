package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/cmd/hansa/exports"
)

// shared are the flags of commands that work on a Service.
type shared struct{ kubeconfig, context, namespace string }

func (s *shared) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "path of the kubeconfig; without it $KUBECONFIG, else ~/.kube/config")
	f.StringVar(&s.context, "context", "", "context of the kubeconfig; without it the current one")
	f.StringVarP(&s.namespace, "namespace", "n", "", "namespace of the Service; without it the context's")
}

func (s *shared) exports() (*exports.Exports, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = s.kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context})
	if s.namespace == "" {
		var err error
		if s.namespace, _, err = config.Namespace(); err != nil {
			return nil, err
		}
	}
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, err
	}
	return exports.New(rest, s.namespace)
}

// exported is what export did, for programs.
type exported struct {
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	To        []string `json:"to,omitempty"`
	*exports.Verdict
}

func exportCommand() *cobra.Command {
	var s shared
	var to []string
	var dryRun, output string
	c := &cobra.Command{
		Use:   "export SERVICE",
		Short: "Let other clusters find a Service",
		Example: `  hansa export web -n shop
  hansa export web -n shop --to west,eu-*
  hansa export web -n shop --dry-run=client -o yaml >export.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := s.exports()
			if err != nil {
				return err
			}
			switch dryRun {
			case "":
			case "client":
				return showObject(c.OutOrStdout(), output, s.namespace, args[0], to)
			default:
				return fmt.Errorf("--dry-run %q: want client, or nothing: %w", dryRun, errUsage)
			}
			made, err := x.Apply(c.Context(), args[0], to, telling(c))
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), exports.Patience)
			defer cancel()
			v, err := x.Await(ctx, made)
			if errors.Is(err, exports.ErrSilent) {
				return fmt.Errorf("the export of Service %s/%s is made, but %w", s.namespace, args[0], err)
			} else if err != nil {
				return err
			}
			return show(c.OutOrStdout(), output, exported{s.namespace, args[0], to, &v}, func(w io.Writer) error { return tellVerdict(w, s.namespace, args[0], v) })
		},
	}
	s.add(c)
	addOutput(c, &output)
	c.Flags().StringSliceVar(&to, "to", nil, "clusters that may see the service, by ID or glob; without it all")
	c.Flags().StringVar(&dryRun, "dry-run", "", "client: print the ServiceExport and make nothing")
	return c
}

func tellVerdict(w io.Writer, namespace, name string, v exports.Verdict) error {
	state := "is exported"
	if !v.Ready {
		state = "is not exported: " + v.Reason
	}
	if _, err := fmt.Fprintf(w, "Service %s/%s %s: %s\n", namespace, name, state, v.Message); err != nil {
		return err
	}
	if v.Conflict == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "conflict: %s\n", v.Conflict)
	return err
}

// showObject prints a ServiceExport as kubectl apply takes it.
func showObject(w io.Writer, output, namespace, name string, to []string) error {
	o := exports.Object(namespace, name, to)
	return show(w, output, o.Object, func(w io.Writer) error {
		text, err := yaml.Marshal(o.Object)
		if err == nil {
			_, err = w.Write(text)
		}
		return err
	})
}

func unexportCommand() *cobra.Command {
	var s shared
	c := &cobra.Command{
		Use:   "unexport SERVICE",
		Short: "Take a Service back from other clusters",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			x, err := s.exports()
			if err != nil {
				return err
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
	return c
}
