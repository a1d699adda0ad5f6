package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
)

// exportersEach is how many members one process has: all have connections to all others, and a process may open only so many.
const exportersEach = 25

// withExporters runs the peers of status, who know the member at seed, in processes of their own until do returns.
func withExporters(ctx context.Context, b *bench, dir, seed string, do func(context.Context) error) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, end, err := os.Pipe() // closed, it ends them
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for first := 0; first < statusPeers; first += exportersEach {
		child := exec.CommandContext(ctx, self, "exporters", dir, seed, strconv.Itoa(first), strconv.Itoa(exportersEach))
		child.Stdin, child.Stderr = in, b.progress
		child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
		group.Go(child.Run)
	}
	group.Go(func() error { return errors.Join(do(ctx), end.Close()) })
	return errors.Join(group.Wait(), in.Close())
}

// runExporters is one of those processes: it runs members whose files are in dir until its standard input ends.
func runExporters(ctx context.Context, args []string) error {
	if len(args) != 4 {
		return fmt.Errorf("exporters takes 4 arguments, got %d", len(args))
	}
	first, firstErr := strconv.Atoi(args[2])
	count, countErr := strconv.Atoi(args[3])
	if err := errors.Join(firstErr, countErr); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for i := first; i < first+count; i++ {
		n, err := newExporter(ctx, args[0], args[1], i)
		if err != nil {
			return err
		}
		group.Go(func() error { return n.run(ctx) })
	}
	group.Go(func() error {
		defer cancel()
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
	return group.Wait()
}

// newExporter returns a member that exports services whose names and addresses no other one has.
func newExporter(ctx context.Context, dir, seed string, i int) (*node, error) {
	id := peerName(i)
	n, err := newNode(ctx, dir+"/"+string(id), id, []string{seed}, func(other federation.ClusterID) bool { return other == "east" })
	if err != nil {
		return nil, err
	}
	if err := n.store.Meet(id, "uid-of-"+string(id)); err != nil {
		return nil, err
	}
	var services []*federation.Export
	for k := range statusServices {
		number := i*statusServices + k
		services = append(services, recordOf(id, fmt.Sprintf("service-%d", number), fewEndpoints, uint32(number)))
	}
	n.store.Announce(1, services)
	return n, nil
}
