package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

const defaultTTL = 15 * time.Minute

func initCommand() *cobra.Command {
	var b becoming
	var clusterset, next string
	var ttl time.Duration
	c := &cobra.Command{
		Use:   "init --cluster ID --clusterset NAME",
		Short: "Begin a clusterset with this cluster, and print the line that lets the next one join",
		Long: `Begin a clusterset with this cluster.

It makes the clusterset's CA and this cluster's certificate as Secrets in the agents' namespace, installs the agents, and
prints the command for the next cluster, with a token in it that can be used once. What is there already stays, so it may
be repeated, as after an interruption.`,
		Example: `  hansa init --context east --cluster east --clusterset acme
  hansa init --context east --cluster east --clusterset acme --next west
  hansa init --context east --cluster east --clusterset acme --set image.repository=registry.example.com/hansa-agent
  hansa init --context east --cluster east --clusterset acme --install=false --files ./east --advertise 192.0.2.1:8443
  hansa init --cluster east --clusterset acme --dry-run=client -o yaml >east.yaml`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cluster, err := b.id()
			if err != nil {
				return err
			}
			if _, err := trust.ParseClusterset(clusterset); err != nil {
				return fmt.Errorf("--clusterset: %w: %w", err, errUsage)
			}
			if err := checkInvitation("next", federation.ClusterID(next), ttl, 1); err != nil {
				return err
			}
			if next == b.cluster {
				return fmt.Errorf("--next %s: it is this cluster's own ID: %w", next, errUsage)
			}
			m := link.Member{Clusterset: clusterset, Cluster: cluster, Issuer: true}
			if b.dry.client() {
				return b.preview(c, m)
			}
			t, err := b.connect()
			if err != nil {
				return err
			}
			now := time.Now()
			if err := t.CanInit(c.Context(), clusterset, cluster, now); err != nil {
				return err
			}
			if err := b.check(c, t, m); err != nil {
				return err
			}
			m, err = t.Init(c.Context(), clusterset, cluster, now, telling(c))
			if err != nil {
				return err
			}
			o, err := b.settle(c, t, m, now)
			if err != nil {
				return err
			}
			if o.Address == "" {
				telling(c)(errNoAddress.Error() + "; hansa token create --peer host:port prints the line for the next cluster")
			} else if err := o.invite(c, t, federation.ClusterID(next), ttl, now, b.repeated()); err != nil {
				return err
			}
			return show(c.OutOrStdout(), b.output, o, o.people)
		},
	}
	b.add(c)
	c.Flags().StringVar(&clusterset, "clusterset", "", "name of the clusterset, a DNS name in lower case; it stays for good")
	c.Flags().StringVar(&next, "next", "", "ID of the cluster that the printed token is for; without it any that is not used")
	c.Flags().DurationVar(&ttl, "ttl", defaultTTL, "how long the printed token is good")
	_ = c.MarkFlagRequired("clusterset")
	return c
}

// invite makes a token and the line with it, which ends with what the next cluster is to be told like this one.
func (o *outcome) invite(c *cobra.Command, t *link.Target, next federation.ClusterID, ttl time.Duration, now time.Time, repeated string) error {
	token, record, err := t.NewToken(c.Context(), next, ttl, 1, now)
	if err != nil {
		return err
	}
	if err := t.KeepToken(c.Context(), record); err != nil {
		return err
	}
	o.Token, o.Expires = token.Text(), record.Expires
	o.Join = joinCommand(next, o.Address, o.Token) + repeated
	return nil
}

// joinCommand is the line for the next cluster. Of one whose ID is open the person chooses it.
func joinCommand(next federation.ClusterID, address, token string) string {
	name := string(next)
	if name == "" {
		name = "NAME"
	}
	return fmt.Sprintf("hansa join --context %s --cluster %s --peer %s --token %s", name, name, address, token)
}
