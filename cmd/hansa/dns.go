package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/corefile"
	"github.com/hansa-mcs/hansa/dns"
)

// The ways in which CoreDNS can answer for the zone.
const (
	wayForward      = "forward"
	wayMulticluster = "multicluster"
)

func dnsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "dns",
		Short: "Have this cluster's CoreDNS answer for the names of the clusterset",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(snippetCommand())
	return c
}

func snippetCommand() *cobra.Command {
	var s snippet
	c := &cobra.Command{
		Use:   "snippet",
		Short: "Print the lines of CoreDNS's Corefile by which the names of the clusterset are found",
		Long: `Print the lines of CoreDNS's Corefile by which the names of the clusterset are found: a server block that stands beside the one
that is there, which stays as it is. Nothing is written.

By --way forward CoreDNS asks the agents, at the addresses of their Service hansa-agent-dns; each change of another cluster is
in the next answer. By --way multicluster CoreDNS, from 1.12.2 on, answers by itself from the ServiceImports and EndpointSlices
that the agents write, for which it needs a right that --role prints.

The cluster is asked for what is not given: the addresses, and from the agents' Deployment the zone, the TTL by --way
multicluster, and the cluster's own domain, which the zone has to keep apart from. It is not asked where all is given, by
--address and --zone, or by --way multicluster and --zone; then --kubeconfig, --context and --namespace do not count, the TTL
is 5 seconds, and the cluster's own domain is cluster.local.

The lines go into the Corefile, and CoreDNS reads them within a minute where it has the plugin reload:

  kubectl -n kube-system edit configmap coredns

Where NodeLocal DNSCache runs on the nodes, pods ask that first: it needs a block of its own, too.`,
		Example: `  hansa dns snippet
  hansa dns snippet --way multicluster
  hansa dns snippet --way multicluster --role | kubectl apply -f -
  hansa dns snippet --address 10.96.0.53 --zone clusterset.local`,
		Args: cobra.NoArgs,
		RunE: s.run,
	}
	s.add(c)
	return c
}

// snippet are the flags of what is printed for CoreDNS.
type snippet struct {
	where
	way, zone string
	addresses []string
	role      bool
}

func (s *snippet) add(c *cobra.Command) {
	s.where.add(c)
	s.way = wayForward
	f := c.Flags()
	f.Var(&choice{&s.way, []string{wayForward, wayMulticluster}}, "way", "forward, by which CoreDNS asks the agents, or multicluster, by which it reads what they write")
	f.StringSliceVar(&s.addresses, "address", nil, fmt.Sprintf("IP address at which agents answer DNS, with :PORT if that is not 53; may be given up to %d times; without it those of their Service", corefile.MostUpstreams))
	f.StringVar(&s.zone, "zone", "", "zone of the clusterset; without it the cluster is asked which one its agents are told to answer for, else "+dns.DefaultZone)
	f.BoolVar(&s.role, "role", false, "with --way multicluster, print the ClusterRole that CoreDNS needs and its binding instead, for kubectl apply")
}

func (s *snippet) run(c *cobra.Command, _ []string) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.role {
		_, err := io.WriteString(c.OutOrStdout(), corefile.Role)
		return err
	}
	var warnings []string
	block, err := s.block(c.Context(), func(line string) { warnings = append(warnings, "warning: "+line) })
	if err != nil {
		return err
	}
	tell := telling(c)
	for _, w := range warnings {
		tell(w)
	}
	tell("these lines go into the Corefile, beside the block that is there: kubectl -n kube-system edit configmap coredns")
	if s.way == wayMulticluster {
		tell("CoreDNS " + corefile.FirstMulticluster + " or later, which may list ServiceImports: hansa dns snippet --way multicluster --role | kubectl apply -f -")
	}
	_, err = io.WriteString(c.OutOrStdout(), block)
	return err
}

// check finds what is wrong with what was typed, before any cluster is asked.
func (s *snippet) check() error {
	if s.way == "" {
		s.way = wayForward
	}
	switch {
	case s.role && s.way != wayMulticluster:
		return fmt.Errorf("--role: it is for --way multicluster; CoreDNS needs no right to ask the agents: %w", errUsage)
	case s.way == wayMulticluster && len(s.addresses) > 0:
		return fmt.Errorf("--address: it is for --way forward; by --way multicluster CoreDNS asks no agent: %w", errUsage)
	}
	if err := s.checkAddresses(); err != nil {
		return err
	}
	if s.zone == "" {
		return nil
	}
	if _, err := corefile.ParseZone(s.zone); err != nil {
		return s.wrongZone(s.zone, err)
	}
	return nil
}

// checkAddresses wants addresses as the plugin forward takes them, and so many. Each is kept once, spelled as it is printed.
func (s *snippet) checkAddresses() error {
	var each []string
	for _, a := range s.addresses {
		upstream, err := corefile.Upstream(a)
		if err != nil {
			return fmt.Errorf("--address %q: %w: %w", a, err, errUsage)
		}
		if !slices.Contains(each, upstream) {
			each = append(each, upstream)
		}
	}
	if len(each) > corefile.MostUpstreams {
		return fmt.Errorf("--address: %d of them: want at most %d, as CoreDNS's plugin forward takes no more: %w", len(each), corefile.MostUpstreams, errUsage)
	}
	s.addresses = each
	return nil
}
