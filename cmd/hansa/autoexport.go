package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/exports"
	"github.com/hansa-mcs/hansa/cmd/hansa/preview"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
	"github.com/hansa-mcs/hansa/exporter"
)

// autoExport are the flags of export that are about what the agents export by themselves.
type autoExport struct {
	on                   bool
	namespaces, services labelSelector
}

// labelSelector is the value of a flag that selects by labels, and refuses what does not as it is typed.
type labelSelector struct {
	labels.Selector // nil if it is not given
}

// String implements pflag.Value.
func (s *labelSelector) String() string {
	if s.Selector == nil {
		return ""
	}
	return s.Selector.String()
}

// Type implements pflag.Value.
func (s *labelSelector) Type() string { return "labels" }

// Set implements pflag.Value.
func (s *labelSelector) Set(text string) (err error) {
	if s.Selector, err = labels.Parse(text); err != nil {
		return fmt.Errorf("want labels such as team=a,!private: %w", err)
	}
	return nil
}

// or returns what is given, or else what an agent says.
func (s *labelSelector) or(said string) (labels.Selector, error) {
	if s.Selector != nil {
		return s.Selector, nil
	}
	selector, err := labels.Parse(said)
	if err != nil {
		return nil, fmt.Errorf("reading the agent's selector %q: %w", said, err)
	}
	return selector, nil
}

func (a *autoExport) add(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&a.on, "auto", false, "with --dry-run, say what the agents would export by themselves and what not, of all namespaces or of --namespace")
	f.Var(&a.namespaces, "namespace-selector", "with --auto, the labels of namespaces to try in the place of the agents' --auto-export-namespace-selector")
	f.Var(&a.services, "selector", "with --auto, the labels of Services to try in the place of the agents' --auto-export-service-selector")
	c.MarkFlagsMutuallyExclusive("auto", "to")
}

// arguments is one Service, or none with --auto.
func (a *autoExport) arguments(c *cobra.Command, args []string) error {
	if a.on && len(args) > 0 {
		return fmt.Errorf("%q: with --auto want no name of a Service: %w", args[0], errUsage)
	}
	if a.on {
		return nil
	}
	return cobra.ExactArgs(1)(c, args)
}

// check finds what does not go together.
func (a *autoExport) check(c *cobra.Command, dry dryRun) error {
	for _, flag := range []string{"namespace-selector", "selector"} {
		if c.Flags().Changed(flag) && !a.on {
			return fmt.Errorf("--%s: it is for --auto: %w", flag, errUsage)
		}
	}
	switch {
	case !a.on || dry.server():
		return nil
	case dry.client():
		return fmt.Errorf("--dry-run=client: with --auto want --dry-run, as the agents are asked for their rules: %w", errUsage)
	}
	return fmt.Errorf("--auto: the agents export by themselves once you turn that on, by hansa features set MCSAutoExport=true; look first, with --auto --dry-run: %w", errUsage)
}

// featured is who tells the rules of the agents' auto-export.
type featured interface {
	Features(ctx context.Context) (*report.Features, error)
}

// rules reads what the agents say, and the flags, which go before that.
func (a *autoExport) rules(said *report.Features) (r exporter.AutoRules, err error) {
	if r.Namespaces, err = a.namespaces.or(said.AutoExport.NamespaceSelector); err != nil {
		return r, err
	}
	if r.Services, err = a.services.or(said.AutoExport.ServiceSelector); err != nil {
		return r, err
	}
	if r.Locals, err = exporter.ParseLocals(said.AutoExport.ClusterDomain, said.AutoExport.AgentNamespace, said.AutoExport.ClusterLocal); err != nil {
		return r, fmt.Errorf("reading what stays in the agent's cluster: %w", err)
	}
	if r.Policy, err = said.Export.Namespaces(); err != nil {
		return r, fmt.Errorf("reading the agent's export policy: %w", err)
	}
	return r, nil
}

// foresee tells what auto-export would make of what is there.
func (a *autoExport) foresee(c *cobra.Command, x *exports.Exports, agent featured, output string) error {
	said, err := agent.Features(c.Context())
	if err != nil {
		return err
	}
	rules, err := a.rules(said)
	if err != nil {
		return err
	}
	all, err := x.All(c.Context())
	if err != nil {
		return err
	}
	if said.AutoExport.Trouble != "" {
		telling(c)(said.AutoExport.Trouble)
	}
	p := preview.AutoScene{Rules: rules, Namespaces: all.Namespaces, Services: all.Services, Exports: all.Exports, Gates: said.Gates}.Preview()
	return show(c.OutOrStdout(), output, p, func(w io.Writer) error { return tables.AutoExport(w, p) })
}

// autoPreview asks an agent of the same cluster, and tells what auto-export would do there.
func (s *shared) autoPreview(c *cobra.Command, a *autoExport, agents *looking, output string) error {
	x, err := s.everywhere()
	if err != nil {
		return err
	}
	client, stop, err := agents.client(c.Context())
	if err != nil {
		return err
	}
	defer stop()
	if err := s.same(c.Context(), client); err != nil {
		return err
	}
	return a.foresee(c, x, client, output)
}
