package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/echo"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// patience is how long a step may take before it has failed.
const patience = 30 * time.Second

// demo is one run.
type demo struct {
	out            io.Writer
	began          time.Time
	set            *clusterset.Clusterset
	address        netip.Addr // of this machine, where backends listen
	backends       []*echo.Server
	shown          map[string]bool // manifests that were printed
	passed, failed int
}

// step is one thing that is shown. Its function returns an error for what could not be gone on from.
type step struct {
	title string
	show  func(*demo, context.Context) error
}

// start brings everything up.
func (d *demo) start(ctx context.Context) (err error) {
	if d.address, err = lab.MachineAddress(); err != nil {
		return fmt.Errorf("backends need an address of this machine that API servers accept in an EndpointSlice: %w", err)
	}
	d.title("three clusters, an agent for each")
	d.set, err = clusterset.Start(ctx, clusterset.Config{Clusters: []string{"east", "west", "north"}, Output: d.out})
	if err != nil {
		return err
	}
	d.ok("control planes and agents of east, west and north are up, %s after the start", time.Since(d.began).Round(100*time.Millisecond))
	return nil
}

// stop ends everything that start and the steps began.
func (d *demo) stop() error {
	for _, b := range d.backends {
		b.Stop()
	}
	if d.set == nil {
		return nil
	}
	return d.set.Stop()
}

// try runs a step with its own patience; an error of it is a failed check.
func (d *demo) try(ctx context.Context, s step) {
	stepCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.show(d, stepCtx); err != nil && ctx.Err() == nil {
		d.check(false, "%s: %v", s.title, err)
	}
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

func (d *demo) title(text string) { fmt.Fprintf(d.out, "\n== %s\n", text) }

func (d *demo) ok(format string, args ...any) { d.check(true, format, args...) }

// check prints and counts the outcome of one check.
func (d *demo) check(good bool, format string, args ...any) {
	word := "ok  "
	if good {
		d.passed++
	} else {
		word = "FAIL"
		d.failed++
	}
	fmt.Fprintf(d.out, "%s %s\n", word, fmt.Sprintf(format, args...))
}

// command prints a command as a user would type it.
func (d *demo) command(format string, args ...any) {
	fmt.Fprintf(d.out, "  $ %s\n", fmt.Sprintf(format, args...))
}

// quote joins arguments as a shell would take them.
func quote(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if quoted[i] = a; strings.ContainsAny(a, " {}[]()*?@\"") {
			quoted[i] = "'" + a + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// output prints what a command answered.
func (d *demo) output(text string) {
	for line := range strings.Lines(strings.TrimSpace(text)) {
		fmt.Fprintf(d.out, "  %s\n", strings.TrimRight(line, "\n"))
	}
}

// kubectl prints and runs kubectl in a cluster, and returns what it printed.
func (d *demo) kubectl(ctx context.Context, cluster string, args ...string) (string, error) {
	d.command("kubectl --context %s %s", cluster, quote(args))
	return d.runKubectl(ctx, cluster, "", args...)
}

func (d *demo) runKubectl(ctx context.Context, cluster, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.set.Kubectl(), append([]string{"--kubeconfig", d.set.Kubeconfig(), "--context", cluster}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	d.output(out.String())
	if err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w", strings.Join(args, " "), err)
	}
	return out.String(), nil
}

// apply applies a manifest by kubectl.
func (d *demo) apply(ctx context.Context, cluster, file, manifest string) error {
	if !d.shown[manifest] {
		d.command("cat %s", file)
		d.output(manifest)
		d.shown[manifest] = true
	}
	d.command("kubectl --context %s apply -f %s", cluster, file)
	_, err := d.runKubectl(ctx, cluster, manifest, "apply", "-f", "-")
	return err
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
	for _, m := range d.set.Members() {
		memory, err := m.Memory()
		if err != nil {
			d.check(false, "memory of the agent of %s: %v", m.Name, err)
			continue
		}
		d.check(memory < 100e6, "the agent of %s has %d MB resident (limit 100)", m.Name, memory/1e6)
	}
	fmt.Fprintf(d.out, "the demo took %s\n", time.Since(d.began).Round(100*time.Millisecond))
}

// invite says what there is to look at in a demo that is kept up.
func (d *demo) invite() {
	west := d.set.Member("west")
	fmt.Fprintf(d.out, `
The clusters stay up. What to try:

  export KUBECONFIG=%s
  export PATH=%s:$PATH
  kubectl --context west get serviceimports,endpointslices -A
  dig @%s -p %s %s A
  curl -s http://%s/metrics | grep ^hansa_

  kubectl --context east apply -f - <<EOF
%sEOF
  kubectl --context west -n shop get serviceimport web

The agents log to %s.
End it by: %s
`, d.set.Kubeconfig(), filepath.Dir(d.set.Kubectl()), host(west.DNS), port(west.DNS), lighthouse.host(), west.HTTP,
		web.export(), filepath.Join(filepath.Dir(filepath.Dir(west.LogFile())), "*", "agent.log"), kept)
}

func host(address string) string { return address[:strings.LastIndex(address, ":")] }
func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }
