package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/reach"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
	"github.com/hansa-mcs/hansa/federation"
)

// looking are the flags of commands that ask an agent.
type looking struct {
	where
	agent  string
	output string
	watch  bool
	every  time.Duration
}

func (l *looking) add(c *cobra.Command) {
	l.where.add(c)
	f := c.Flags()
	f.StringVar(&l.agent, "agent", "", "host:port of the agent to ask; without it a port is forwarded to the one that leads")
	f.StringVarP(&l.output, "output", "o", "", "wide, json or yaml; without it a table")
	f.BoolVarP(&l.watch, "watch", "w", false, "ask again and again, until interrupted")
	f.DurationVar(&l.every, "every", 2*time.Second, "how often, with --watch")
}

// verdict is an answer that is good or not.
type verdict interface{ ExitStatus() int }

// errVerdict carries an exit status that is no failure of the command.
type errVerdict struct{ status int }

func (errVerdict) Error() string { return "" }

// look asks an agent and shows what it says: once, or until ctx ends.
func look[T any](c *cobra.Command, l *looking, ask func(context.Context, *report.Client) (*T, error), people func(io.Writer, *T, bool) error, judge func(*T) verdict) error {
	switch l.output {
	case "", "wide", "json", "yaml":
	default:
		return fmt.Errorf("--output %q: want wide, json, yaml, or nothing: %w", l.output, errUsage)
	}
	client, stop, err := l.client(c.Context())
	if err != nil {
		return err
	}
	defer stop()
	for {
		answer, err := ask(c.Context(), client)
		if err != nil {
			return err
		}
		output := strings.TrimSuffix(l.output, "wide")
		if err := show(c.OutOrStdout(), output, answer, func(w io.Writer) error { return people(w, answer, l.output == "wide") }); err != nil {
			return err
		}
		if !l.watch {
			if judge != nil {
				if status := judge(answer).ExitStatus(); status != 0 {
					return errVerdict{status}
				}
			}
			return nil
		}
		select {
		case <-time.After(l.every):
		case <-c.Context().Done():
			return nil
		}
		if output == "" {
			fmt.Fprintln(c.OutOrStdout())
		}
	}
}

// client returns a client of an agent, and what to call when it is done with.
func (l *looking) client(ctx context.Context) (*report.Client, func(), error) {
	address, stop := l.agent, func() {}
	if address == "" {
		t, err := l.connect()
		if err != nil {
			return nil, nil, err
		}
		config, err := t.Kubernetes.ClientConfig()
		if err != nil {
			return nil, nil, err
		}
		if address, stop, err = reach.Forward(ctx, config, l.namespace); err != nil {
			return nil, nil, err
		}
	}
	client, err := report.NewClient(address, nil)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("--agent: %w: %w", err, errUsage)
	}
	return client, stop, nil
}

func statusCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how this cluster is, and each other one from here",
		Long: `Say how this cluster is, and each other one from here: whether it is heard here and by others, how far behind what is held
of it is, what it exports, and what went wrong last.

Exit status: 0 good, 1 degraded, 2 failed.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Status, error) { return a.Status(ctx) },
				tables.Status, func(s *report.Status) verdict { return s.Verdict })
		},
	}
	l.add(c)
	return c
}

func clustersCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "clusters",
		Short: "List all clusters that are known, with all that is known of them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Clusters, error) { return a.Clusters(ctx) }, tables.Clusters, nil)
		},
	}
	l.add(c)
	return c
}

// queryOf reads [NAMESPACE/]NAME, or NAMESPACE/ for all of a namespace.
func queryOf(args []string) (q report.Query, err error) {
	if len(args) == 0 {
		return q, nil
	}
	namespace, name, ok := strings.Cut(args[0], "/")
	if !ok || namespace == "" {
		return q, fmt.Errorf("%q: want NAMESPACE/NAME, or NAMESPACE/ for all of a namespace: %w", args[0], errUsage)
	}
	return report.Query{Namespace: namespace, Name: name}, nil
}

func servicesCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "services [NAMESPACE/[NAME]]",
		Short: "List the services that clusters export, as this one concludes",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := queryOf(args)
			if err != nil {
				return err
			}
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Services, error) { return a.Services(ctx, q) }, tables.Services, nil)
		},
	}
	l.add(c)
	return c
}

func endpointsCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "endpoints [NAMESPACE/[NAME]]",
		Short: "List the endpoints of services: from where, how old, and served or why not",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := queryOf(args)
			if err != nil {
				return err
			}
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Endpoints, error) { return a.Endpoints(ctx, q) }, tables.Endpoints, nil)
		},
	}
	l.add(c)
	return c
}

func explainCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "explain NAMESPACE/NAME",
		Short: "Say all that is known of a service, and why it is as it is",
		Long: `Say all that is known of a service: what each cluster exports, every conflict in words, for every endpoint from which cluster
it is, at which version, how old, and why it is or is not served, and who has confirmed what this cluster exports.

Exit status: 0 good, 1 degraded, 2 for a service that cannot be used here.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := queryOf(args)
			if err == nil && q.Name == "" {
				err = fmt.Errorf("%q: want NAMESPACE/NAME: %w", args[0], errUsage)
			}
			if err != nil {
				return err
			}
			name := federation.ServiceName{Namespace: q.Namespace, Name: q.Name}
			return look(c, &l, func(ctx context.Context, a *report.Client) (*report.Explanation, error) { return a.Explain(ctx, name) },
				tables.Explain, func(x *report.Explanation) verdict { return x.Verdict })
		},
	}
	l.add(c)
	return c
}

// isVerdict returns the exit status that an answer alone asks for.
func isVerdict(err error) (int, bool) {
	v, ok := errors.AsType[errVerdict](err)
	return v.status, ok
}
