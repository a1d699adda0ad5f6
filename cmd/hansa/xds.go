package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/reach"
	"github.com/hansa-mcs/hansa/cmd/hansa/tables"
)

func xdsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "xds",
		Short: "Look at the clients of xDS, and at what they are told",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(xdsClientsCommand(), xdsDumpCommand())
	return c
}

func xdsClientsCommand() *cobra.Command {
	var l looking
	c := &cobra.Command{
		Use:   "clients [CLIENT]",
		Short: "List who is connected by xDS, what it subscribes to, and what it has taken or refused",
		Long: `List who is connected by xDS, to each agent of the cluster: what a client subscribes to, by type of resource; the version of
each type that it has taken, or "waits" for an answer that is due, or "refused"; and how many responses it refused (NACK), which
is never right. Of one client, by the ID of its node or its address, there is all that is known: the names that it subscribes to,
and in its own words why it refused something.

Each agent has clients of its own. All that run are asked, over ports that are forwarded to them; by --agent that one alone.`,
		Example: `  hansa xds clients
  hansa xds clients web-7d9f4
  hansa xds clients -o wide --watch`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			called, people := strings.Join(args, ""), tables.XDSClients
			if called != "" {
				people = tables.XDSClient
			}
			return look(c, &l, func(ctx context.Context, a *report.Client) (*tables.Connected, error) {
				return l.connected(ctx, a, called)
			}, people, nil)
		},
	}
	l.add(c)
	return c
}

// connected asks all agents for their clients, or for those that are called so. It is an error if there is none of them.
func (l *looking) connected(ctx context.Context, first *report.Client, called string) (*tables.Connected, error) {
	all := &tables.Connected{Agents: []*report.XDS{}, Alone: l.agent != ""}
	var err error
	all.Unanswered, err = l.askEach(ctx, first, func(a *report.Client) (bool, error) {
		one, err := a.XDSClients(ctx, called)
		if err == nil {
			all.Agents = append(all.Agents, one)
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	if called != "" && all.Clients() == 0 {
		return nil, l.noClient(ctx, first, called)
	}
	return all, nil
}

// noClient says that nobody is called so, and who is there.
func (l *looking) noClient(ctx context.Context, first *report.Client, called string) error {
	all, err := l.connected(ctx, first, "")
	if err != nil {
		return err
	}
	const most = 8
	var names []string
	for _, a := range all.Agents {
		for _, c := range a.Clients {
			names = append(names, c.ID)
		}
	}
	slices.Sort(names)
	there := "none is connected"
	if names = slices.Compact(names); len(names) > most {
		there = fmt.Sprintf("there are %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	} else if len(names) > 0 {
		there = "there is " + strings.Join(names, ", ")
	}
	for _, u := range all.Unanswered {
		there += fmt.Sprintf("; agent %s could not be asked: %s", u.Agent, u.Why)
	}
	if all.Alone {
		there += "; other agents of the cluster were not asked, as --agent chose this one"
	}
	return fmt.Errorf("no client has ID or address %q: %s", called, there)
}

// askEach asks the agent that was reached first and then, unless --agent chose that one, all others that run, until ask is done.
// What is wrong with the first is returned as an error, what is wrong with the others beside it.
func (l *looking) askEach(ctx context.Context, first *report.Client, ask func(*report.Client) (done bool, err error)) (failed []tables.Unanswered, err error) {
	failed = []tables.Unanswered{}
	if done, err := ask(first); done || err != nil || l.agent != "" {
		return failed, err
	}
	t, err := l.connect()
	if err != nil {
		return nil, err
	}
	config, err := t.Kubernetes.ClientConfig()
	if err != nil {
		return nil, err
	}
	agents, stop, err := reach.Each(ctx, config, l.namespace, l.pod)
	if err != nil {
		return nil, unreached(t.Context, err)
	}
	defer stop()
	for _, a := range agents {
		done, err := askAt(a, ask)
		if err != nil {
			failed = append(failed, tables.Unanswered{Agent: a.Pod, Why: err.Error()})
		}
		if done {
			break
		}
	}
	return failed, nil
}

// askAt asks one agent.
func askAt(a reach.Agent, ask func(*report.Client) (bool, error)) (bool, error) {
	if a.Err != nil {
		return false, a.Err
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client, err := report.NewClient(a.Address, transport)
	if err != nil {
		return false, err
	}
	return ask(client)
}

// dumping are the flags of what is told to a client.
type dumping struct {
	looking
	query report.XDSQuery
	types []string
}

func xdsDumpCommand() *cobra.Command {
	var d dumping
	c := &cobra.Command{
		Use:   "dump [NAME...]",
		Short: "Show what clients of xDS are told",
		Long: `Show what clients of xDS are told: to a client that is connected, what it subscribes to; else what one of a kind would be told
that is in a region and a zone, on which the priorities of endpoints depend. By default that is an Envoy that does not say where
it is.

NAME is that of a resource; a host, such as web.shop.svc.clusterset.local, with a port or without; or NAMESPACE/NAME of a service.

With -o json or yaml the messages are as protobuf has them in JSON.`,
		Example: `  hansa xds dump shop/web
  hansa xds dump --client web-7d9f4
  hansa xds dump --kind grpc --region eu-1 --zone eu-1a web.shop.svc.clusterset.local:80
  hansa xds dump --type cds,lds,rds --egress 127.0.0.1:15001 -o yaml`,
		RunE: func(c *cobra.Command, names []string) error {
			if err := d.check(); err != nil {
				return err
			}
			return look(c, &d.looking, func(ctx context.Context, a *report.Client) (*report.XDSResources, error) { return d.ask(ctx, a, names) },
				func(w io.Writer, r *report.XDSResources, wide bool) error { return tables.XDSDump(w, r, names, wide) }, nil)
		},
	}
	d.add(c)
	return c
}

func (d *dumping) add(c *cobra.Command) {
	d.looking.add(c)
	f, a := c.Flags(), &d.query.Audience
	f.StringVar(&d.query.Client, "client", "", "ID or address of a client that is connected")
	f.Var(&choice{&a.Kind, report.XDSKinds}, "kind", "envoy, grpc or other, as who does not say what it is; without it an Envoy")
	f.StringVar(&a.Region, "region", "", "region where the client is")
	f.StringVar(&a.Zone, "zone", "", "zone where the client is")
	f.StringVar(&a.Egress, "egress", "", "IP:port where the Envoy's listener for HTTP is to be, as its metadata says")
	f.StringSliceVar(&d.types, "type", []string{string(report.EDS)}, "cds, eds, lds and rds, those of them that are to be shown: clusters, their endpoints, listeners, routes")
	for _, of := range []string{"kind", "region", "zone", "egress"} {
		c.MarkFlagsMutuallyExclusive("client", of)
	}
}

func (d *dumping) check() error {
	if len(d.types) == 0 {
		return fmt.Errorf("--type: want at least one: %w", errUsage)
	}
	for _, t := range d.types {
		if !slices.Contains(report.XDSTypes, report.XDSType(t)) {
			return fmt.Errorf("--type %q: want cds, eds, lds or rds: %w", t, errUsage)
		}
	}
	if a := &d.query.Audience; d.query.Client == "" && a.Kind == "" {
		a.Kind = report.KindEnvoy
	}
	if _, err := report.ParseXDSQuery(d.query.Values()); err != nil {
		return fmt.Errorf("--%w: %w", err, errUsage)
	}
	return nil
}

// ask asks for all that is to be shown: the first agent that knows the client, if there is to be one.
func (d *dumping) ask(ctx context.Context, first *report.Client, names []string) (answer *report.XDSResources, err error) {
	if d.query.Client == "" {
		return d.askOne(ctx, first, names)
	}
	_, err = d.askEach(ctx, first, func(a *report.Client) (bool, error) {
		one, err := d.askOne(ctx, a, names)
		if lacks(err) {
			return false, nil
		}
		answer = one
		return err == nil, err
	})
	if err == nil && answer == nil {
		err = d.noClient(ctx, first, d.query.Client)
	}
	return answer, err
}

// lacks reports whether an agent answers that it has not what is asked for.
func lacks(err error) bool {
	refused, ok := errors.AsType[*report.Refused](err)
	return ok && refused.Code == http.StatusNotFound
}

func (d *dumping) askOne(ctx context.Context, a *report.Client, names []string) (all *report.XDSResources, err error) {
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		found := false
		for _, t := range d.types {
			q := d.query
			q.Type, q.Name = report.XDSType(t), name
			one, err := a.XDSResources(ctx, q)
			if err != nil {
				return nil, err
			}
			found = found || len(one.Resources) > 0
			if all == nil {
				all = one
			} else {
				all.Resources = append(all.Resources, one.Resources...)
			}
		}
		if name != "" && !found {
			return nil, fmt.Errorf("%q: such a client is told no %s of that name: without names hansa xds dump shows all; hansa explain says why a service is not served", name, orList(d.types))
		}
	}
	all.Resources = distinct(all.Resources)
	return all, nil
}

// distinct leaves out what several names mean.
func distinct(list []report.XDSResource) []report.XDSResource {
	type key struct {
		of   report.XDSType
		name string
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(list, func(r report.XDSResource) bool {
		k := key{r.Type, r.Name}
		before := seen[k]
		seen[k] = true
		return before
	})
}
