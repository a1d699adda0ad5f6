package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/cmd/hansa/reach"
	"github.com/hansa-mcs/hansa/federation/trust"
)

const (
	// connectTime is how long it may take to connect to an agent.
	connectTime = 10 * time.Second
	// idleTime is how long a connection waits for the next question: less than the agent keeps it.
	idleTime = 50 * time.Second
)

// asking are the flags that say which agent is asked, and how.
type asking struct {
	agent string
	files trust.Files
}

const agentUsage = "host:port of the agent to ask: its --http-address, if that is of this machine; or, with the three --tls-…-file flags, where other clusters connect to this one; without it a port is forwarded to the agent that leads"

func (a *asking) add(c *cobra.Command) {
	c.Flags().StringVar(&a.agent, "agent", "", agentUsage)
	for _, f := range a.flags() {
		c.Flags().StringVar(f.path, f.name, "", f.usage)
		_ = c.RegisterFlagCompletionFunc(f.name, cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)) // the flag is there
	}
}

// fileFlag is a flag that names one of the files.
type fileFlag struct {
	name, usage string
	path        *string
}

func (a *asking) flags() []fileFlag {
	return []fileFlag{
		{"tls-cert-file", "with --agent, PEM file with the cluster's own certificate, which shows the agent that one may ask", &a.files.Cert},
		{"tls-key-file", "with --agent, PEM file with the certificate's private key", &a.files.Key},
		{"tls-ca-file", "with --agent, PEM file with the CA certificates of the clusterset", &a.files.CA},
	}
}

// client returns a client of an agent, and what to call when it is done with.
func (l *looking) client(ctx context.Context) (*report.Client, func(), error) {
	transport, err := l.transport()
	if err != nil {
		return nil, nil, err
	}
	address, stop := l.agent, transport.CloseIdleConnections
	if address == "" {
		t, err := l.connect()
		if err != nil {
			return nil, nil, err
		}
		config, err := t.Kubernetes.ClientConfig()
		if err != nil {
			return nil, nil, err
		}
		to, end, err := reach.Forward(ctx, config, l.namespace)
		if err != nil {
			return nil, nil, unreached(t.Context, err)
		}
		l.pod = to.Pod
		address, stop = to.Address, func() { transport.CloseIdleConnections(); end() }
	}
	client, err := report.NewClient(address, transport)
	if err != nil {
		stop()
		return nil, nil, fmt.Errorf("--agent: %w: %w", err, errUsage)
	}
	return client, stop, nil
}

// unreached says where an agent was to be reached and, to who may not, what else there is. A right that lacks is told by its
// words alone where it lacks to forward the port.
func unreached(context string, err error) error {
	if strings.Contains(err.Error(), "forbidden") {
		err = fmt.Errorf("%w: use credentials that may do that, or ask an agent where other clusters connect to it, by --agent host:port and the three --tls-…-file flags", err)
	}
	return fmt.Errorf("context %q: %w", context, err)
}

// transport returns how the agent is reached: in the clear on this machine alone, or with the cluster's own certificate.
func (a *asking) transport() (*http.Transport, error) {
	var missing []string
	for _, f := range a.flags() {
		if *f.path == "" {
			missing = append(missing, "--"+f.name)
		}
	}
	transport := &http.Transport{IdleConnTimeout: idleTime}
	switch {
	case len(missing) == len(a.flags()):
		return transport, a.checkLocal()
	case len(missing) > 0:
		return nil, fmt.Errorf("%s: want all of --tls-cert-file, --tls-key-file and --tls-ca-file, or none: %w", strings.Join(missing, ", "), errUsage)
	case a.agent == "":
		return nil, fmt.Errorf("--tls-cert-file: it is for --agent host:port, where other clusters connect to this one: %w", errUsage)
	}
	if _, _, err := net.SplitHostPort(a.agent); err != nil || strings.Contains(a.agent, "/") {
		return nil, fmt.Errorf("--agent %q: with a certificate want host:port, where other clusters connect to this one: %w", a.agent, errUsage)
	}
	id, err := a.identity()
	if err != nil {
		return nil, err
	}
	transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return dialOwn(ctx, id, address) }
	return transport, nil
}

// checkLocal refuses what would be asked in the clear over a network: no agent answers that.
func (a *asking) checkLocal() error {
	_, rest, found := strings.Cut(a.agent, "://")
	if !found {
		rest = a.agent
	}
	u, err := url.Parse("//" + rest)
	if a.agent == "" || err != nil || report.IsLocal(u.Hostname()) { // of what is no address the client tells
		return nil
	}
	return fmt.Errorf("--agent %q: an agent answers in the clear on its own machine alone: give --tls-cert-file, --tls-key-file and --tls-ca-file of its cluster, and host:port where other clusters connect to it; or leave --agent out to have a port forwarded: %w", a.agent, errUsage)
}

// identity is that of the cluster whose certificate is given.
func (a *asking) identity() (*trust.Identity, error) {
	text, err := os.ReadFile(a.files.Cert)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert-file: %w", err)
	}
	clusterset, cluster, err := trust.Named(text)
	if err != nil {
		return nil, fmt.Errorf("--tls-cert-file %s: %w", a.files.Cert, err)
	}
	id, err := trust.Load(clusterset, cluster, a.files)
	if err != nil {
		return nil, a.blame(err)
	}
	return id, nil
}

// blame names the flag of the file that an error is about: the one that it speaks of first.
func (a *asking) blame(err error) error {
	at := func(f fileFlag) int {
		if i := strings.Index(err.Error(), *f.path); i >= 0 {
			return i
		}
		return len(err.Error())
	}
	first := slices.MinFunc(a.flags(), func(f, g fileFlag) int { return at(f) - at(g) })
	return fmt.Errorf("--%s: %w", first.name, err)
}

// dialOwn connects to an agent of the identity's own cluster.
func dialOwn(ctx context.Context, id *trust.Identity, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTime, fmt.Errorf("nobody answered within %s", connectTime))
	defer cancel()
	conn, err := id.Dial(ctx, address, id.Cluster(), trust.ProtoReport)
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) {
		err = fmt.Errorf("%w: it ends every connection while it knows of no agent that leads, or the cluster has left its clusterset", err)
	}
	if err != nil { // a nil *trust.Conn would not be a nil net.Conn
		return nil, err
	}
	return conn, nil
}
