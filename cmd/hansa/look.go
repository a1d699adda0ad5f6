package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// looking are the flags of commands that ask an agent.
type looking struct {
	where
	asking
	output string
	watch  bool
	every  time.Duration
	pod    string // of the agent that client led to last, "" where --agent chose it
}

func (l *looking) add(c *cobra.Command) {
	l.addBeside(c)
	l.asking.add(c)
	f := c.Flags()
	addTableOutput(c, &l.output)
	f.BoolVarP(&l.watch, "watch", "w", false, "ask again and again, until interrupted; what goes wrong meanwhile is told")
	f.DurationVar(&l.every, "every", 2*time.Second, "how often, with --watch")
}

func (l *looking) check() error {
	if l.every < leastEvery {
		return fmt.Errorf("--every %s: want %s at least: %w", l.every, leastEvery, errUsage)
	}
	return nil
}

// verdict is an answer that is good or not.
type verdict interface{ ExitStatus() int }

// errVerdict carries the exit status of an answer, or of there being none, which is why.
type errVerdict struct {
	status int
	why    error // nil for an answer, which has said it all
}

func (e errVerdict) Error() string {
	if e.why == nil {
		return ""
	}
	return e.why.Error()
}

func (e errVerdict) Unwrap() error { return e.why }

// unanswered is an error by which it is not known how things are: as bad as if they were.
func unanswered(err error) error { return errVerdict{report.Failed.ExitStatus(), err} }

// look asks an agent and shows what it says: once, or until ctx ends.
func look[T any](c *cobra.Command, l *looking, ask func(context.Context, *report.Client) (*T, error), people func(io.Writer, *T, bool) error, judge func(*T) verdict) error {
	if err := l.check(); err != nil {
		return err
	}
	question := func(ctx context.Context, client *report.Client) (a answer, err error) {
		ctx, cancel := context.WithTimeoutCause(ctx, answerTime, errSlow)
		defer cancel()
		said, err := ask(ctx, client)
		if errors.Is(err, io.EOF) && l.files == (trust.Files{}) {
			err = fmt.Errorf("%w: if that is where other clusters connect, give the three --tls-…-file flags too", err)
		}
		if err != nil {
			return a, err
		}
		if judge != nil {
			a.status = judge(said).ExitStatus()
		}
		a.write = func(w io.Writer) error {
			return show(w, strings.TrimSuffix(l.output, "wide"), said, func(w io.Writer) error { return people(w, said, l.output == "wide") })
		}
		return a, nil
	}
	client, stop, err := l.client(c.Context())
	if err != nil {
		return unanswered(err)
	}
	s := newScreen(c.OutOrStdout(), c.ErrOrStderr(), os.Getenv)
	if l.watch {
		return l.follow(c.Context(), s, client, stop, question)
	}
	defer stop()
	said, err := question(c.Context(), client)
	if err != nil {
		return unanswered(err)
	}
	if err = s.show(said); err == nil && said.status != 0 {
		err = errVerdict{status: said.status}
	}
	return err
}

func statusCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "status",
		Short: "Say how this cluster is, and each other one from here",
		Long: `Say how this cluster is, and each other one from here: whether it is heard here and by others, how far behind what is held
of it is, what it exports, and what went wrong last.

The agent that leads is asked, over a port that is forwarded to it. Who may not forward ports, and holds the files by which the
cluster is a member, asks it where other clusters connect:

  hansa status --agent HOST:PORT --tls-cert-file tls.crt --tls-key-file tls.key --tls-ca-file ca.crt

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

// chosenServices are the flag and the argument that say of which services something is asked.
type chosenServices struct{ namespace string }

func (s *chosenServices) add(c *cobra.Command) {
	c.Flags().StringVarP(&s.namespace, "namespace", "n", "", "namespace of the services; without it all")
}

// query reads NAMESPACE/NAME, NAMESPACE/ for all of a namespace, NAME where --namespace is given, or a name in DNS.
func (s *chosenServices) query(args []string) (q report.Query, err error) {
	q.Namespace = s.namespace
	if len(args) == 0 {
		return q, nil
	}
	namespace, name, ok := strings.Cut(args[0], "/")
	if !ok {
		namespace, name, ok = ofDNS(args[0])
	}
	switch {
	case !ok && s.namespace != "":
		q.Name = args[0]
	case !ok || namespace == "":
		return q, fmt.Errorf("%q: want NAMESPACE/NAME, or NAME and --namespace: %w", args[0], errUsage)
	case s.namespace != "" && s.namespace != namespace:
		return q, fmt.Errorf("%q: want the namespace once, and --namespace says %q: %w", args[0], s.namespace, errUsage)
	default:
		q.Namespace, q.Name = namespace, name
	}
	return q, nil
}

// ofDNS returns which service a name in DNS is of, in any zone: NAME.NAMESPACE.svc.ZONE, or without the zone. Those of its
// ports and endpoints have more labels before.
func ofDNS(text string) (namespace, name string, ok bool) {
	const before = 2 // the labels that the first svc has before it, at least
	labels := strings.Split(strings.ToLower(text), ".")
	if len(labels) <= before {
		return "", "", false
	}
	svc := slices.Index(labels[before:], "svc")
	if svc < 0 {
		return "", "", false
	}
	name, namespace = labels[svc], labels[svc+1]
	return namespace, name, name != "" && namespace != ""
}

func servicesCommand() *cobra.Command {
	return listCommand("services", "List the services that clusters export, as this one concludes", tables.Services, (*report.Client).Services)
}

func endpointsCommand() *cobra.Command {
	return listCommand("endpoints", "List the endpoints of services: from where, how old, and served or why not", tables.Endpoints, (*report.Client).Endpoints)
}

// listCommand is one that lists something of one service, of a namespace, or of all.
func listCommand[T any](name, short string, people func(io.Writer, *T, bool) error, ask func(*report.Client, context.Context, report.Query) (*T, error)) *cobra.Command {
	var l looking
	var s chosenServices
	c := &cobra.Command{
		Use:   name + " [[NAMESPACE/]NAME]",
		Short: short,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := s.query(args)
			if err != nil {
				return err
			}
			return look(c, &l, func(ctx context.Context, a *report.Client) (*T, error) { return ask(a, ctx, q) }, people, nil)
		},
	}
	l.add(c)
	s.add(c)
	return c
}

func explainCommand() *cobra.Command {
	var l looking
	var s chosenServices
	c := &cobra.Command{
		Use:   "explain [NAMESPACE/]NAME",
		Short: "Say all that is known of a service, and why it is as it is",
		Long: `Say all that is known of a service: what each cluster exports, every conflict in words, for every endpoint from which cluster
it is, at which version, how old, and why it is or is not served, and who has confirmed what this cluster exports. The service may
be named as in DNS.

Exit status: 0 good, 1 degraded, 2 for a service that cannot be used here.`,
		Example: `  hansa explain shop/web
  hansa explain web.shop.svc.clusterset.local`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			q, err := s.query(args)
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
	s.add(c)
	return c
}

// isVerdict returns the exit status that an answer asks for, or the lack of one.
func isVerdict(err error) (int, bool) {
	v, ok := errors.AsType[errVerdict](err)
	return v.status, ok
}
