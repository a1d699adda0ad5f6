package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa/install"
	"github.com/hansa-mcs/hansa/cmd/hansa/link"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// becoming are the flags of init and join: how a cluster that has become a member gets its agents.
type becoming struct {
	where
	cluster   string
	advertise string
	install   bool
	adopt     bool
	files     string
	wait      time.Duration
	output    string
}

func (b *becoming) add(c *cobra.Command) {
	b.where.add(c)
	f := c.Flags()
	f.StringVar(&b.cluster, "cluster", "", "ID of this cluster in the clusterset, an RFC 1123 label; it stays for as long as the cluster is a member")
	f.StringVar(&b.advertise, "advertise", "", "host:port at which other clusters reach this one's agents; without it that of the load balancer of their Service")
	f.BoolVar(&b.install, "install", true, "install the agents as a Helm release; without it the Secrets are made, and --files are for an agent that runs elsewhere")
	f.BoolVar(&b.adopt, "adopt", false, "let the installation take over objects of its names that Helm did not make")
	f.StringVar(&b.files, "files", "", "folder to write tls.crt, tls.key and ca.crt to, for an agent that is not in the cluster")
	f.DurationVar(&b.wait, "wait", 5*time.Minute, "how long to wait for the load balancer and for the agents; 0 waits for no agent")
	addOutput(c, &b.output)
	_ = c.MarkFlagRequired("cluster")
}

// id returns --cluster.
func (b *becoming) id() (federation.ClusterID, error) {
	id, err := federation.ParseClusterID(b.cluster)
	if err != nil {
		return id, fmt.Errorf("--cluster: %w: %w", err, errUsage)
	}
	return id, nil
}

// outcome is what init and join did, for programs.
type outcome struct {
	Clusterset string   `json:"clusterset"`
	Cluster    string   `json:"cluster"`
	Context    string   `json:"context"`
	Namespace  string   `json:"namespace"`
	Address    string   `json:"address,omitempty"` // of this cluster's agents
	Peers      []string `json:"peers,omitempty"`
	Files      string   `json:"files,omitempty"`
	// Release is "installed", "upgraded" or "unchanged".
	Release string `json:"release,omitempty"`
	// Agent is the command that starts an agent with the files.
	Agent string `json:"agent,omitempty"`
	// Join is the command for the next cluster, Token what is in it.
	Join    string    `json:"join,omitempty"`
	Token   string    `json:"token,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// settle gives a new member its agents, or the files for one.
func (b *becoming) settle(c *cobra.Command, t *link.Target, m link.Member, now time.Time) (outcome, error) {
	o := outcome{
		Clusterset: m.Clusterset, Cluster: string(m.Cluster), Context: t.Context, Namespace: t.Namespace,
		Address: b.advertise, Peers: m.Peers,
	}
	if b.files != "" {
		if err := writeFiles(b.files, m.Credentials); err != nil {
			return o, err
		}
		o.Files = b.files
		telling(c)("wrote tls.crt, tls.key and ca.crt to " + b.files)
	}
	if !b.install {
		if o.Files != "" {
			o.Agent = agentCommand(o)
		}
		return o, nil
	}
	return o, b.installAgents(c, t, m, now, &o)
}

func writeFiles(dir string, c trust.Credentials) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--files: %w", err)
	}
	f := trust.Files{Cert: filepath.Join(dir, "tls.crt"), Key: filepath.Join(dir, "tls.key"), CA: filepath.Join(dir, "ca.crt")}
	if err := f.Write(c); err != nil {
		return fmt.Errorf("--files: %w", err)
	}
	return nil
}

// agentCommand is what starts an agent with the files.
func agentCommand(o outcome) string {
	args := []string{"hansa-agent", "--cluster=" + o.Cluster, "--clusterset=" + o.Clusterset}
	for flag, file := range map[string]string{"tls-cert-file": "tls.crt", "tls-key-file": "tls.key", "tls-ca-file": "ca.crt"} {
		args = append(args, "--"+flag+"="+filepath.Join(o.Files, file))
	}
	sortTail(args, 3)
	if o.Address != "" {
		args = append(args, "--advertise="+o.Address)
	}
	for _, p := range o.Peers {
		args = append(args, "--peer="+p)
	}
	return strings.Join(args, " ")
}

// installAgents makes the release, and waits for what the next cluster needs.
func (b *becoming) installAgents(c *cobra.Command, t *link.Target, m link.Member, now time.Time, o *outcome) error {
	i, err := install.New(install.Config{Kubernetes: t.Kubernetes, Namespace: t.Namespace, Tell: telling(c)})
	if err != nil {
		return err
	}
	values := map[string]any{"cluster": string(m.Cluster), "clusterset": m.Clusterset}
	if m.Issuer {
		values["issuer"] = true
	}
	if len(m.Peers) > 0 {
		peers := make([]any, len(m.Peers))
		for n, p := range m.Peers {
			peers[n] = p
		}
		values["peer"] = peers
	}
	if b.advertise != "" {
		values["advertise"] = b.advertise
	}
	done, err := i.Apply(c.Context(), install.Options{Values: values, Adopt: b.adopt}, now)
	if err != nil {
		return err
	}
	o.Release = string(done.Change)
	ctx, cancel := context.WithTimeoutCause(c.Context(), max(b.wait, time.Second), fmt.Errorf("--wait %s is over", b.wait))
	defer cancel()
	if o.Address == "" {
		if o.Address, err = i.Address(ctx); err != nil {
			return fmt.Errorf("%w: give --advertise if there is another way to the agents, or repeat this command", err)
		}
		if o.Address != "" {
			values["advertise"] = o.Address
			if _, err := i.Apply(c.Context(), install.Options{Values: values, Adopt: b.adopt}, now); err != nil {
				return err
			}
		}
	}
	if b.wait == 0 {
		return nil
	}
	return i.Ready(ctx)
}

// errNoAddress is why there is no line for the next cluster.
var errNoAddress = errors.New("it is not known at which address other clusters reach this one: give --advertise host:port")

// people writes the outcome as people read it.
func (o outcome) people(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %s is a member of clusterset %s\n", o.Cluster, o.Clusterset)
	if o.Agent != "" {
		fmt.Fprintf(&b, "\nStart its agent:\n\n  %s\n", o.Agent)
	}
	if o.Join != "" {
		fmt.Fprintf(&b, "\nLet the next cluster join, until %s:\n\n  %s\n", o.Expires.Format(time.RFC3339), o.Join)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
