package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation/gossip"
	"github.com/hansa-mcs/hansa/federation/trust"
)

func joinCommandOf() *cobra.Command {
	var b becoming
	var peer, text, file string
	c := &cobra.Command{
		Use:   "join --cluster ID --peer HOST:PORT --token TOKEN",
		Short: "Make this cluster a member of a clusterset, with a token that a member made",
		Long: `Make this cluster a member of a clusterset.

The member at --peer is asked for a certificate, once it has proven to be the token's. This cluster's key is made here and
never leaves it. Then the agents are installed. A join that was interrupted goes on when the command is repeated, with the
same token. Nobody needs credentials of another cluster's API server.

Exit status: 10 the request was invalid, 11 unknown token, 12 expired, 13 used, 14 for another cluster ID, 15 the cluster ID
is taken, 17 the member does not hold the CA, 18 it is busy, 19 it could not find out,
20 who answered is no member of the token's clusterset, 21 or does not speak the protocol, 22 or gave no membership.`,
		Example: `  hansa join --context west --cluster west --peer 192.0.2.1:8443 --token hansa1.…
  hansa join --context west --cluster west --peer 192.0.2.1:8443 --token-file - <token`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cluster, err := b.id()
			if err != nil {
				return err
			}
			if err := gossip.CheckAddress(peer); err != nil {
				return fmt.Errorf("--peer: %w: %w", err, errUsage)
			}
			token, err := readToken(c, text, file)
			if err != nil {
				return err
			}
			m := link.Member{Clusterset: token.Clusterset, Cluster: cluster, Peers: []string{peer}}
			if b.dry.client() {
				return b.preview(c, m)
			}
			t, err := b.connect()
			if err != nil {
				return err
			}
			now := time.Now()
			if err := t.CanJoin(c.Context(), token, cluster, now); err != nil {
				return err
			}
			if err := b.check(c, t, m); err != nil {
				return err
			}
			m, err = t.Join(c.Context(), peer, token, cluster, now, telling(c))
			if err != nil {
				return err
			}
			m.Peers = addresses(m.Peers)
			o, err := b.settle(c, t, m, now)
			if err != nil {
				return err
			}
			return show(c.OutOrStdout(), b.output, o, o.people)
		},
	}
	b.add(c)
	c.Flags().StringVar(&peer, "peer", "", "host:port of a member that holds the CA, as hansa init printed it")
	c.Flags().StringVar(&text, "token", "", "the token; others on this machine can see it in the list of processes until the command ends")
	c.Flags().StringVar(&file, "token-file", "", "file with the token, - for standard input")
	c.MarkFlagsMutuallyExclusive("token", "token-file")
	c.MarkFlagsOneRequired("token", "token-file")
	_ = c.MarkFlagRequired("peer")
	return c
}

// addresses returns those that can be some, and not too many: a member named them.
func addresses(named []string) (list []string) {
	const most = 16
	for _, address := range named[:min(len(named), most)] {
		if gossip.CheckAddress(address) == nil {
			list = append(list, address)
		}
	}
	return list
}

// mostToken bounds what is read as a token, in bytes.
const mostToken = 4096

func readToken(c *cobra.Command, text, file string) (trust.Token, error) {
	from := "--token"
	if file != "" {
		from = "--token-file"
		in := c.InOrStdin()
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return trust.Token{}, fmt.Errorf("--token-file: %w: %w", err, errUsage)
			}
			defer f.Close()
			in = f
		}
		var err error
		if text, err = readLine(in, mostToken); err != nil {
			return trust.Token{}, fmt.Errorf("--token-file: %w: %w", err, errUsage)
		}
	}
	token, err := trust.ParseToken(strings.TrimSpace(text))
	if err != nil {
		return token, fmt.Errorf("%s: %w: %w", from, err, errUsage)
	}
	return token, nil
}
