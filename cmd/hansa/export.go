package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/exports"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/cmd/hansa/preview"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
	"github.com/hansa-mcs/hansa/exporter"
	"github.com/hansa-mcs/hansa/federation"
)

// shared are the flags of commands that work on a Service.
type shared struct{ kubeconfig, context, namespace string }

func (s *shared) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&s.kubeconfig, "kubeconfig", "", "path of the kubeconfig; without it $KUBECONFIG, else ~/.kube/config")
	f.StringVar(&s.context, "context", "", "context of the kubeconfig; without it the current one")
	f.StringVarP(&s.namespace, "namespace", "n", "", "namespace of the Service; without it the context's")
}

// exports are those of the namespace of the Service.
func (s *shared) exports() (*exports.Exports, error) {
	t, err := link.Connect(s.kubeconfig, s.context, s.namespace)
	if err != nil {
		return nil, err
	}
	if s.namespace == "" {
		if s.namespace, _, err = t.Kubernetes.Namespace(); err != nil {
			return nil, fmt.Errorf("context %q: %w", t.Context, err)
		}
	}
	return s.exportsOf(t)
}

// everywhere are the exports of all namespaces, if none is given.
func (s *shared) everywhere() (*exports.Exports, error) {
	t, err := link.Connect(s.kubeconfig, s.context, s.namespace)
	if err != nil {
		return nil, err
	}
	return s.exportsOf(t)
}

func (s *shared) exportsOf(t *link.Target) (*exports.Exports, error) {
	rest, err := t.Kubernetes.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %q: %w", t.Context, err)
	}
	return exports.New(rest, t.Context, s.namespace)
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
	var dry dryRun
	var agents looking
	var output string
	var auto autoExport
	c := &cobra.Command{
		Use:   "export SERVICE",
		Short: "Let other clusters find a Service",
		Long: `Let other clusters find a Service, by a ServiceExport of its name, and say what the agents make of it.

With --dry-run nothing is changed: the agents are asked what would come of the export, so that it can be said who would see
it, which conflicts it would cause, and what ServiceImport the others would make.

With --auto --dry-run and without a Service, it is said which Services the agents would export by themselves, and why not each
other one; selectors can be tried before the agents have them.

Exit status: 0 exported, 1 not, or not yet.`,
		Example: `  hansa export web -n shop
  hansa export web -n shop --to west,eu-*
  hansa export web -n shop --dry-run
  hansa export web -n shop --dry-run=client -o yaml >export.yaml
  hansa export --auto --dry-run --namespace-selector team=a`,
		Args: auto.arguments,
		RunE: func(c *cobra.Command, args []string) error {
			agents.kubeconfig, agents.context = s.kubeconfig, s.context
			if err := auto.check(c, dry); err != nil {
				return err
			}
			if auto.on {
				return s.autoPreview(c, &auto, &agents, output)
			}
			if c.Flags().Changed("to") {
				var err error
				if to, err = exporter.ParseConsumers(strings.Join(to, ",")); err != nil {
					return fmt.Errorf("--to: %w: %w", err, errUsage)
				}
			}
			if strings.Contains(args[0], "/") {
				return fmt.Errorf("%q: want the name of a Service, and its namespace by --namespace: %w", args[0], errUsage)
			}
			x, err := s.exports()
			if err != nil {
				return err
			}
			switch {
			case dry.client():
				return dry.show(c, output, exports.Object(s.namespace, args[0], to))
			case dry.server():
				return s.foresee(c, x, &agents, output, args[0], to)
			}
			return s.export(c, x, output, args[0], to)
		},
	}
	s.add(c)
	addOutput(c, &output)
	f := c.Flags()
	f.StringSliceVar(&to, "to", nil, "clusters that may see the service, by ID or glob; without it all")
	dry.addServer(f, "client: print the ServiceExport; server, or no value: say what would come of it; neither makes anything")
	auto.add(c)
	agents.asking.add(c)
	agents.addAgents(c)
	return c
}

// export makes the ServiceExport, and tells what the agents make of that.
func (s *shared) export(c *cobra.Command, x *exports.Exports, output, name string, to []string) error {
	made, err := x.Apply(c.Context(), name, to, telling(c))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), exports.Patience)
	defer cancel()
	v, err := x.Await(ctx, made)
	if errors.Is(err, exports.ErrSilent) {
		return fmt.Errorf("the export of Service %s/%s is made, but %w", s.namespace, name, err)
	} else if err != nil {
		return err
	}
	err = show(c.OutOrStdout(), output, exported{s.namespace, name, to, &v}, func(w io.Writer) error { return tellVerdict(w, s.namespace, name, v) })
	if err == nil && !v.Ready {
		return errVerdict{status: exitFailed}
	}
	return err
}

// foresee tells what would come of an export.
func (s *shared) foresee(c *cobra.Command, x *exports.Exports, agents *looking, output, name string, to []string) error {
	would, err := x.Would(c.Context(), name, to)
	if err != nil {
		return err
	}
	client, stop, err := agents.client(c.Context())
	if err != nil {
		return fmt.Errorf("%w; --dry-run=client asks no agent", err)
	}
	defer stop()
	scene := preview.Scene{Export: would.Export, Service: would.Service, Slices: would.Slices}
	if scene.Status, err = client.Status(c.Context()); err != nil {
		return err
	}
	if scene.Explanation, err = client.Explain(c.Context(), federation.ServiceName{Namespace: would.Export.Namespace, Name: name}); err != nil {
		return err
	}
	if err := s.same(c.Context(), client); err != nil {
		return err
	}
	p, err := scene.Preview()
	if err != nil {
		return err
	}
	err = show(c.OutOrStdout(), output, p, func(w io.Writer) error { return tables.Preview(w, p) })
	if err == nil && !p.Exported {
		return errVerdict{status: exitFailed}
	}
	return err
}

// same returns an error if an agent is not of the cluster in which the Service is: --agent may lead anywhere.
func (s *shared) same(ctx context.Context, client *report.Client) error {
	t, err := link.Connect(s.kubeconfig, s.context, s.namespace)
	if err != nil {
		return err
	}
	uid, err := t.UID(ctx)
	if err != nil {
		return err
	}
	all, err := client.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, known := range all.Clusters {
		if known.Self && known.UID != "" && known.UID != uid {
			return fmt.Errorf("--agent: it is of cluster %s, and context %q leads to another one: %w", known.Cluster, t.Context, errUsage)
		}
	}
	return nil
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
