package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/spf13/cobra"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	downGrace    = 20 * time.Second // before down kills a supervisor.
	probeTimeout = 3 * time.Second
)

func newDown(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the control planes and remove their data",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPlace(*name)
			if err != nil {
				return err
			}
			return down(cmd.Context(), p, cmd.OutOrStdout())
		},
	}
}

// down ends the supervisor of a place, removes what it made, and returns when all
// of it is gone.
func down(ctx context.Context, p place, out io.Writer) error {
	lock, err := lab.TryLock(p.lock())
	if err == nil || errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(out, "No lab %q is running.\n", p.name)
		return removeLocked(p, lock)
	}
	if !errors.Is(err, lab.ErrLocked) {
		return err
	}
	lock, err = end(ctx, p)
	if err != nil {
		return fmt.Errorf("end lab %q: %w", p.name, err)
	}
	fmt.Fprintf(out, "Lab %q is down.\n", p.name)
	return removeLocked(p, lock)
}

// removeLocked removes a place whose lock is held; without one there is none.
func removeLocked(p place, lock *lab.Lock) error {
	if lock == nil {
		return nil
	}
	return errors.Join(p.remove(), lock.Unlock())
}

// end asks the supervisor to end, kills it when it does not, and takes its lock.
func end(ctx context.Context, p place) (*lab.Lock, error) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		pid, err := p.supervisor()
		if err != nil {
			return nil, fmt.Errorf("read the supervisor's process number (try again if it is just starting): %w", err)
		}
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return nil, fmt.Errorf("send %s to the supervisor, process %d: %w", signal, pid, err)
		}
		waiting, cancel := context.WithTimeout(ctx, downGrace)
		lock, err := lab.WaitLock(waiting, p.lock())
		cancel()
		if err == nil || ctx.Err() != nil {
			return lock, err
		}
	}
	return nil, errors.New("it does not even end when it is killed")
}

func newKubeconfig(name *string) *cobra.Command {
	var export bool
	cmd := &cobra.Command{
		Use:     "kubeconfig",
		Short:   "Print the path of the kubeconfig that has a context per cluster",
		Example: `  eval "$(lab kubeconfig --export)"`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPlace(*name)
			if err != nil {
				return err
			}
			s, err := p.ready()
			if err != nil {
				return err
			}
			line := s.Kubeconfig
			if export {
				line = exportLine(line)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), line)
			return err
		},
	}
	cmd.Flags().BoolVar(&export, "export", false, "print a line for the shell")
	return cmd
}

func exportLine(kubeconfig string) string { return "export KUBECONFIG=" + quote(kubeconfig) }

// quote makes text one word of a shell.
func quote(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func newStatus(name *string) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Say which clusters run and answer",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPlace(*name)
			if err != nil {
				return err
			}
			s, err := p.ready()
			if err != nil {
				return err
			}
			return status(cmd.Context(), p, s, cmd.OutOrStdout())
		},
	}
}

func status(ctx context.Context, p place, s state, out io.Writer) error {
	fmt.Fprintf(out, "Lab %q is up since %s.\n  kubeconfig: %s\n  kubectl:    %s\n  logs:       %s, %s\n\n", p.name,
		time.Since(s.Ready).Round(time.Second), s.Kubeconfig, s.Kubectl, p.log(), s.Dir+"/clusters/*/logs")
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "CONTEXT\tSERVER\tVERSION")
	for _, cluster := range s.Clusters {
		server, version := probe(ctx, s.Kubeconfig, cluster)
		fmt.Fprintf(table, "%s\t%s\t%s\n", cluster, server, version)
	}
	return table.Flush()
}

// probe asks an API server for its version; an error takes the version's place.
func probe(ctx context.Context, kubeconfig, cluster string) (server, version string) {
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig},
		&clientcmd.ConfigOverrides{CurrentContext: cluster}).ClientConfig()
	if err != nil {
		return "?", err.Error()
	}
	config.Timeout = probeTimeout
	client, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return config.Host, err.Error()
	}
	if err := client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return config.Host, "not ready: " + err.Error()
	}
	info, err := client.ServerVersion()
	if err != nil {
		return config.Host, err.Error()
	}
	return config.Host, info.GitVersion
}
