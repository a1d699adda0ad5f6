package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/spf13/cobra"
)

func newUp(name *string) *cobra.Command {
	var order order
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start control planes in the background and wait until they are ready",
		Long: `Start an etcd and a kube-apiserver per cluster, in the background, and wait until
all are ready. The first time the binary is built, which takes about five minutes on
two cores; afterwards it takes seconds. A cluster needs about 400 MB of memory.

If up is interrupted before they are ready, nothing is left.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return hintError{fmt.Errorf("unexpected %q", args[0]), "Name the clusters without spaces: " + program + " up --clusters east,west"}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPlace(*name)
			if err != nil {
				return err
			}
			return up(cmd.Context(), p, order, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	order.addFlags(cmd)
	return cmd
}

// order is what up and the supervisor take as flags.
type order struct {
	clusters          []string
	controllerManager bool
	dir               string
}

func (o *order) addFlags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.clusters, "clusters", []string{"east", "west"}, "names of the clusters")
	cmd.Flags().BoolVar(&o.controllerManager, "controller-manager", false, "run kube-controller-manager in each")
	cmd.Flags().StringVar(&o.dir, "dir", "", "new or empty directory for data and logs, kept after down"+
		" (default: one in the cache, removed by down)")
}

func (o *order) flags() (flags []string) {
	for _, cluster := range o.clusters {
		flags = append(flags, "--clusters="+cluster)
	}
	return append(flags, fmt.Sprintf("--controller-manager=%t", o.controllerManager), "--dir="+o.dir)
}

func (o *order) config(p place) lab.Config {
	config := lab.Config{Clusters: o.clusters, ControllerManager: o.controllerManager, Dir: o.dir}
	if config.Dir == "" {
		config.Dir = p.data()
	}
	return config
}

func up(ctx context.Context, p place, order order, out, progress io.Writer) error {
	if err := order.config(p).Validate(); err != nil {
		return hintError{err, "Name them like this: --clusters east,west,north"}
	}
	running, err := p.running()
	if err != nil {
		return err
	}
	if running {
		return alreadyUp(p)
	}
	if _, err := lab.Build(ctx, progress, order.controllerManager); err != nil {
		return err
	}
	if err := p.make(); err != nil {
		return err
	}
	if err := supervised(ctx, p, order, progress); err != nil {
		return err
	}
	s, err := p.ready()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n\nTry:\n  %s --context %s get namespaces\n\nLook at it: %s\nEnd it:     %s\n",
		exportLine(s.Kubeconfig), quote(s.Kubectl), s.Clusters[len(s.Clusters)-1], p.command("status"), p.command("down"))
	return nil
}

func alreadyUp(p place) error {
	return hintError{fmt.Errorf("lab %q is already up", p.name),
		"Look at it: " + p.command("status") + "\n  End it:     " + p.command("down") + "\n  Or start another one with another --name"}
}

// supervised starts the supervisor and returns when it reports that all clusters
// are ready. The supervisor's standard input ends with us: if it ends before
// that, the supervisor ends as well.
func supervised(ctx context.Context, p place, order order, progress io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_TRUNC|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	reports, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reports.Close()
	cmd := exec.Command(self, append([]string{"supervise", "--name=" + p.name}, order.flags()...)...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	life, err := cmd.StdinPipe()
	if err != nil {
		return errors.Join(err, theirs.Close())
	}
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { life.Close() })
	defer stop()
	if err := follow(reports, progress); err != nil {
		life.Close()
		_ = cmd.Wait() // it has said why, or is told to end.
		if ctx.Err() != nil {
			return interrupted(p)
		}
		return hintError{err, "The supervisor's log: " + p.log()}
	}
	return cmd.Process.Release()
}

// interrupted removes a place that was interrupted before it was ready.
func interrupted(p place) error {
	lock, err := lab.TryLock(p.lock())
	if err == nil {
		err = removeLocked(p, lock)
	}
	if err != nil {
		return fmt.Errorf("interrupted, and %s is left: %w", p.dir, err)
	}
	return errors.New("interrupted: nothing is left of it")
}

// report is what the supervisor tells up, one JSON value each.
type report struct {
	Say   string `json:"say,omitempty"`
	Error string `json:"error,omitempty"`
	Ready bool   `json:"ready,omitempty"`
}

func follow(reports io.Reader, progress io.Writer) error {
	for decoder := json.NewDecoder(reports); ; {
		var r report
		if err := decoder.Decode(&r); err != nil {
			return fmt.Errorf("the supervisor ended before its lab was ready: %w", err)
		}
		switch {
		case r.Ready:
			return nil
		case r.Error != "":
			return errors.New(r.Error)
		}
		fmt.Fprint(progress, r.Say)
	}
}
