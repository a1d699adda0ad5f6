package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/hansa-mcs/hansa/integration/echo"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// patience is how long a step may take before it has failed.
const patience = 30 * time.Second

// demo is one run.
type demo struct {
	out            io.Writer
	began          time.Time
	lab            *lab.Lab
	members        []*member
	address        netip.Addr // of this machine, where backends listen
	backends       []*echo.Server
	shown          map[string]bool // manifests that were printed
	passed, failed int
}

// step is one thing that is shown. Its function returns an error for what could not be gone on from.
type step struct {
	title string
	show  func(*demo, context.Context) error
	vital bool // after an error of it there is nothing more to show
}

// start brings up what there is before Hansa: empty clusters, backends' address, and the programs.
func (d *demo) start(ctx context.Context) (err error) {
	// Clients made outside of a manager would complain that they have nowhere to log.
	ctrl.SetLogger(logr.Discard())
	if d.address, err = lab.MachineAddress(); err != nil {
		return fmt.Errorf("backends need an address of this machine that API servers accept in an EndpointSlice: %w", err)
	}
	d.title("three clusters, empty")
	if d.lab, err = lab.Start(ctx, lab.Config{Clusters: []string{"east", "west", "north"}, Output: d.out}); err != nil {
		return err
	}
	if err := d.build(ctx); err != nil {
		return err
	}
	if err := d.makeMembers(); err != nil {
		return err
	}
	d.ok("control planes of east, west and north are up, %s after the start", time.Since(d.began).Round(100*time.Millisecond))
	fmt.Fprintf(d.out, "  $ cd %s; export KUBECONFIG=kubeconfig PATH=$PWD/bin:$PATH\n", d.lab.Dir())
	return nil
}

// binary returns where a program of this repository is, among those of the lab.
func (d *demo) binary(name string) string { return filepath.Join(filepath.Dir(d.lab.Kubectl()), name) }

// build builds hansa and hansa-agent. Go's own cache makes it quick when nothing changed.
func (d *demo) build(ctx context.Context) error {
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", lab.CompilerFlags, "-o", filepath.Dir(d.lab.Kubectl()),
		"github.com/hansa-mcs/hansa/cmd/hansa", "github.com/hansa-mcs/hansa/cmd/hansa-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building hansa and hansa-agent: %w\n%s", err, text)
	}
	fmt.Fprintf(d.out, "built hansa and hansa-agent in %s\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

func (d *demo) makeMembers() error {
	for _, c := range d.lab.Clusters() {
		m, err := newMember(c, d.lab.Dir(), d.binary("hansa-agent"))
		if err != nil {
			return err
		}
		d.members = append(d.members, m)
	}
	return nil
}

// member returns the member of that name, which must be one of the lab's.
func (d *demo) member(name string) *member {
	for _, m := range d.members {
		if m.name == name {
			return m
		}
	}
	panic("no member " + name)
}

// stop ends everything that start and the steps began.
func (d *demo) stop() error {
	var errs []error
	for _, b := range d.backends {
		b.Stop()
	}
	for _, m := range d.members {
		errs = append(errs, m.stop())
	}
	if d.lab != nil {
		errs = append(errs, d.lab.Stop())
	}
	return errors.Join(errs...)
}

// try runs a step with its own patience; an error of it is a failed check. It returns whether there is more to show.
func (d *demo) try(ctx context.Context, s step) bool {
	stepCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := s.show(d, stepCtx)
	if err != nil && ctx.Err() == nil {
		d.check(false, "%s: %v", s.title, err)
	}
	return err == nil || !s.vital
}

// fail tells why nothing can be shown, unless it is because the user wants no more.
func (d *demo) fail(ctx context.Context, err error) {
	if ctx.Err() == nil {
		d.check(false, "%v", err)
		d.summary()
	}
}

// summary is the last line.
func (d *demo) summary() {
	fmt.Fprintf(d.out, "demo: %d passed, %d failed\n", d.passed, d.failed)
}

// backend starts an echo server that says name.
func (d *demo) backend(name string) (*echo.Server, error) {
	b, err := echo.Start(name, d.address)
	if err == nil {
		d.backends = append(d.backends, b)
	}
	return b, err
}

// report says what the agents take.
func (d *demo) report() {
	d.title("what it takes")
	for _, m := range d.members {
		memory, err := m.memory()
		if err != nil {
			d.check(false, "memory of the agent of %s: %v", m.name, err)
			continue
		}
		d.check(memory < 100e6, "the agent of %s has %d MB resident (limit 100)", m.name, memory/1e6)
	}
	fmt.Fprintf(d.out, "the demo took %s\n", time.Since(d.began).Round(100*time.Millisecond))
}
