package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
)

func tokenCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke the tokens by which clusters join",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(tokenCreate(), tokenList(), tokenRevoke())
	return c
}

// created is what token create tells programs.
type created struct {
	ID      string    `json:"id"`
	Token   string    `json:"token"`
	Cluster string    `json:"cluster,omitempty"`
	Expires time.Time `json:"expires"`
	Uses    int       `json:"uses"`
	Join    string    `json:"join,omitempty"`
}

func tokenCreate() *cobra.Command {
	var w where
	var cluster, peer, output string
	var ttl time.Duration
	var uses int
	var dry dryRun
	c := &cobra.Command{
		Use:     "create",
		Short:   "Make a token, and print it or the line for the next cluster",
		Example: "  hansa token create --context east --cluster west --peer 192.0.2.1:8443",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkInvitation("cluster", federation.ClusterID(cluster), ttl, uses); err != nil {
				return err
			}
			if err := gossip.CheckAddress(peer); peer != "" && err != nil {
				return fmt.Errorf("--peer: %w: %w", err, errUsage)
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			token, record, err := t.NewToken(c.Context(), federation.ClusterID(cluster), ttl, uses, time.Now())
			if err != nil {
				return err
			}
			if dry.client() {
				telling(c)("the token, good once the Secret is made: " + token.Text())
				return showToken(c, &dry, output, t.Namespace, record)
			}
			if err := t.KeepToken(c.Context(), record); err != nil {
				return err
			}
			made := created{ID: token.ID.String(), Token: token.Text(), Cluster: cluster, Expires: record.Expires, Uses: uses}
			if peer != "" {
				made.Join = joinCommand(token.Cluster, peer, made.Token)
			}
			return show(c.OutOrStdout(), output, made, func(w io.Writer) error {
				line := made.Join
				if line == "" {
					line = made.Token
				}
				_, err := fmt.Fprintln(w, line)
				return err
			})
		},
	}
	w.add(c)
	addOutput(c, &output)
	dry.add(c.Flags(), "print the Secret with the token's hash, and on standard error the token, and make nothing")
	c.Flags().StringVar(&cluster, "cluster", "", "ID of the cluster that the token is for; without it any that is not used")
	c.Flags().StringVar(&peer, "peer", "", "host:port at which this cluster's agents are reached: prints the whole line for the next cluster")
	c.Flags().DurationVar(&ttl, "ttl", defaultTTL, "how long the token is good")
	c.Flags().IntVar(&uses, "uses", 1, "how many clusters may join by it")
	return c
}

// checkInvitation refuses what no token can be made of; flag is the one that names the cluster.
func checkInvitation(flag string, cluster federation.ClusterID, ttl time.Duration, uses int) error {
	if _, err := federation.ParseClusterID(string(cluster)); cluster != "" && err != nil {
		return fmt.Errorf("--%s: %w: %w", flag, err, errUsage)
	}
	if ttl <= 0 {
		return fmt.Errorf("--ttl %s: want a duration above 0: %w", ttl, errUsage)
	}
	if uses < 1 || uses > enroll.MaxUses {
		return fmt.Errorf("--uses %d: want 1 to %d: %w", uses, enroll.MaxUses, errUsage)
	}
	return nil
}

// listed is what token list tells programs of one token.
type listed struct {
	ID      string       `json:"id"`
	Cluster string       `json:"cluster,omitempty"`
	Created time.Time    `json:"created"`
	Expires time.Time    `json:"expires"`
	Uses    int          `json:"uses"`
	Used    []enroll.Use `json:"used,omitempty"`
	State   string       `json:"state"` // good, used or expired
}

func tokenList() *cobra.Command {
	var w where
	var output string
	c := &cobra.Command{
		Use:   "list",
		Short: "List the tokens that were made in this cluster, with who used them",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			t, err := w.connect()
			if err != nil {
				return err
			}
			records, bad := t.Tokens(c.Context())
			if records == nil && bad != nil {
				return bad
			}
			list := make([]listed, 0, len(records))
			for _, r := range records {
				list = append(list, listed{r.ID.String(), string(r.Cluster), r.Created, r.Expires, r.Uses, r.Used, stateOf(r, time.Now())})
			}
			return errors.Join(show(c.OutOrStdout(), output, list, func(w io.Writer) error { return tableOf(w, list) }), bad)
		},
	}
	w.add(c)
	addOutput(c, &output)
	return c
}

func stateOf(r enroll.Record, now time.Time) string {
	switch {
	case !now.Before(r.Expires):
		return "expired"
	case len(r.Used) >= r.Uses:
		return "used"
	}
	return "good"
}

func tableOf(w io.Writer, list []listed) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There is no token.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSTATE\tCLUSTER\tEXPIRES\tUSED BY")
	for _, l := range list {
		cluster, by := l.Cluster, make([]string, 0, len(l.Used))
		if cluster == "" {
			cluster = "<any>"
		}
		for _, u := range l.Used {
			by = append(by, string(u.Cluster))
		}
		if len(by) == 0 {
			by = []string{"<none>"}
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", l.ID, l.State, cluster, l.Expires.Format(time.RFC3339), strings.Join(by, ","))
	}
	return t.Flush()
}

func tokenRevoke() *cobra.Command {
	var w where
	var output string
	var dry dryRun
	c := &cobra.Command{
		Use:   "revoke ID",
		Short: "Make a token worthless; clusters that joined by it stay members",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := trust.ParseTokenID(args[0])
			if err != nil {
				return fmt.Errorf("%w; hansa token list has the IDs: %w", err, errUsage)
			}
			t, err := w.connect()
			if err != nil {
				return err
			}
			if dry.client() {
				records, err := t.Tokens(c.Context())
				i := slices.IndexFunc(records, func(r enroll.Record) bool { return r.ID == id })
				if i < 0 {
					return errors.Join(fmt.Errorf("token %s: %w; hansa token list has those that there are", id, enroll.ErrNoToken), err)
				}
				return showToken(c, &dry, output, t.Namespace, records[i])
			}
			if err := t.RevokeToken(c.Context(), id); errors.Is(err, enroll.ErrNoToken) {
				return fmt.Errorf("token %s: %w; hansa token list has those that there are", id, err)
			} else if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "revoked token "+id.String())
			return err
		},
	}
	w.add(c)
	addDryOutput(c, &output)
	dry.add(c.Flags(), "print the Secret that would go, and delete nothing")
	return c
}

// showToken prints the Secret of a token, which has its hash alone.
func showToken(c *cobra.Command, dry *dryRun, output, namespace string, r enroll.Record) error {
	secret, err := secrets.TokenObject(r)
	if err != nil {
		return err
	}
	secret.Namespace = namespace
	o, err := objectOf("Secret", secret)
	if err != nil {
		return err
	}
	return dry.show(c, output, o)
}
