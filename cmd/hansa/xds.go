package main

import (
	"context"
	"fmt"
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
is never right, but for lds of an Envoy that cannot listen where its node says. Of one client, by the ID of its node or its
address, there is all that is known: the names that it subscribes to, which of them do not exist, and in its own words why it
refused something. Only so has the JSON names, too: that of the list has their numbers.

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
	all := &tables.Connected{Agents: []*report.XDS{}, Alone: l.agent != "", Again: l.again()}
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
	switch names = slices.Compact(names); {
	case len(names) > most:
		there = fmt.Sprintf("there are %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	case len(names) > 1:
		there = "there are " + strings.Join(names, ", ")
	case len(names) == 1:
		there = "there is " + names[0]
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
