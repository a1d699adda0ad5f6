package main

import (
	"errors"
	"fmt"
	"io"
	"net"
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
	chart     chosen
	dry       dryRun
	files     string
	wait      time.Duration
	output    string
}

func (b *becoming) add(c *cobra.Command) {
	b.where.add(c)
	f := c.Flags()
	f.StringVar(&b.cluster, "cluster", "", "ID of this cluster in the clusterset, an RFC 1123 label; it stays for as long as the cluster is a member")
	f.StringVar(&b.advertise, "advertise", "", "host:port at which other clusters reach this one's agents; without it their Service gets a load balancer, unless --set memberService.type says otherwise")
	f.BoolVar(&b.install, "install", true, "install the agents as a Helm release; without it the Secrets, CRDs and ClusterProperties are made, and --files are for an agent that runs elsewhere")
	b.chart.add(f)
	f.StringVar(&b.files, "files", "", "folder to write tls.crt, tls.key and ca.crt to, for an agent that is not in the cluster")
	f.DurationVar(&b.wait, "wait", 5*time.Minute, "how long to wait for the load balancer and for the agents; 0 waits for neither")
	addOutput(c, &b.output)
	b.dry.add(f, "print what would be made but Secrets, which hold keys, and make nothing")
	_ = c.MarkFlagRequired("cluster")
}

// id returns --cluster, once all that is typed has been looked at.
func (b *becoming) id() (federation.ClusterID, error) {
	id, err := federation.ParseClusterID(b.cluster)
	if err != nil {
		return id, fmt.Errorf("--cluster: %w: %w", err, errUsage)
	}
	return id, b.parse()
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
	// Zone is what the release answers DNS for, DNS the command that prints how CoreDNS gets to know.
	Zone string `json:"zone,omitempty"`
	DNS  string `json:"dns,omitempty"`
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
	i, err := install.New(install.Config{Kubernetes: t.Kubernetes, Namespace: t.Namespace, Tell: telling(c)})
	if err != nil {
		return o, err
	}
	if !b.install {
		if err := i.Prepare(c.Context(), b.values(m)); err != nil {
			return o, err
		}
		if o.Files != "" {
			o.Agent = agentCommand(o, t)
		}
		return o, nil
	}
	return o, b.release(c, i, b.values(m), now, &o)
}

// checkFolder refuses a folder in which the files of another member are: they may be all that has its key.
func checkFolder(dir string, m link.Member) error {
	if dir == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, "tls.crt"))
	if err != nil {
		return nil // writing tells what keeps it from being written
	}
	if set, id, err := trust.Named(text); err == nil && (set != m.Clusterset || id != m.Cluster) {
		return fmt.Errorf("--files %s: the files of cluster %s of clusterset %s are there; want another folder: %w", dir, id, set, errUsage)
	}
	return nil
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
func agentCommand(o outcome, t *link.Target) string {
	args := []string{"hansa-agent", "--cluster=" + o.Cluster, "--clusterset=" + o.Clusterset, "--kubeconfig=" + t.Kubeconfig, "--context=" + t.Context}
	if t.Namespace != install.DefaultNamespace {
		args = append(args, "--namespace="+t.Namespace)
	}
	for _, f := range []struct{ flag, file string }{{"tls-ca-file", "ca.crt"}, {"tls-cert-file", "tls.crt"}, {"tls-key-file", "tls.key"}} {
		args = append(args, "--"+f.flag+"="+filepath.Join(o.Files, f.file))
	}
	if _, port, err := net.SplitHostPort(o.Address); err == nil {
		args = append(args, "--advertise="+o.Address, "--listen=:"+port)
	} else { // for the person to say
		args = append(args, "--advertise=HOST:PORT")
	}
	for _, p := range o.Peers {
		args = append(args, "--peer="+p)
	}
	for i := range args {
		args[i] = quoted(args[i])
	}
	return strings.Join(args, " ")
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
	if o.DNS != "" {
		fmt.Fprintf(&b, "\nHave CoreDNS find names of %s:\n\n  %s\n", o.Zone, o.DNS)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
