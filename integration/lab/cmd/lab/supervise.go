package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/spf13/cobra"
)

// reportsFile is the file descriptor that up hands its supervisor for reports.
const reportsFile = 3

// newSupervise is the command that up starts in the background.
func newSupervise(name *string) *cobra.Command {
	var order order
	cmd := &cobra.Command{
		Use:    "supervise",
		Short:  "Own the processes of a lab until SIGTERM (started by up)",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := newPlace(*name)
			if err != nil {
				return err
			}
			reports := reporter{os.NewFile(reportsFile, "reports"), slog.New(slog.NewTextHandler(os.Stderr, nil))}
			err = supervise(cmd.Context(), p, order, os.Stdin, reports)
			if err != nil {
				reports.send(report{Error: err.Error()})
			}
			return err
		},
	}
	order.addFlags(cmd)
	return cmd
}

// supervise runs the lab of a place until ctx ends and then removes it. If
// parent ends before the lab is ready, so does the lab.
func supervise(ctx context.Context, p place, order order, parent io.Reader, reports reporter) error {
	lock, err := takeLock(ctx, p)
	if err != nil {
		return err
	}
	defer lock.Unlock()
	if err := errors.Join(p.clear(), lock.Write(fmt.Sprint(os.Getpid()))); err != nil {
		return err
	}
	l, err := start(ctx, p, order, parent, reports)
	if err != nil {
		return errors.Join(err, p.clear())
	}
	reports.log.Info("all clusters are ready", "clusters", order.clusters)
	reports.send(report{Ready: true})
	<-ctx.Done()
	err = errors.Join(l.Stop(), p.clear(), lock.Write(""))
	reports.log.Info("stopped", "error", err)
	return err
}

// takeLock waits a moment: commands that look whether a lab runs lock it shortly.
func takeLock(ctx context.Context, p place) (*lab.Lock, error) {
	waiting, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	lock, err := lab.WaitLock(waiting, p.lock())
	if waiting.Err() != nil && err != nil {
		return nil, alreadyUp(p)
	}
	return lock, err
}

// start starts the lab and writes the state that the other commands read.
func start(ctx context.Context, p place, order order, parent io.Reader, reports reporter) (*lab.Lab, error) {
	starting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // ends with the parent or with this process.
		_, _ = io.Copy(io.Discard, parent)
		cancel(errors.New("up was ended before the lab was ready"))
	}()
	config := order.config(p)
	config.Log, config.Output = reports.log, reports
	l, err := lab.Start(starting, config)
	if err != nil {
		return nil, err
	}
	err = p.write(state{
		Clusters: order.clusters, Dir: l.Dir(), Kubeconfig: l.Kubeconfig(), Kubectl: l.Kubectl(), Ready: time.Now(),
	})
	if err == nil {
		err = context.Cause(starting)
	}
	if err != nil {
		return nil, errors.Join(err, l.Stop())
	}
	return l, nil
}

// reporter tells up what happens; up may be gone.
type reporter struct {
	to  io.Writer
	log *slog.Logger
}

func (r reporter) send(what report) { _ = json.NewEncoder(r.to).Encode(what) }

// Write passes the lab's progress on.
func (r reporter) Write(text []byte) (int, error) {
	r.send(report{Say: string(text)})
	return len(text), nil
}
