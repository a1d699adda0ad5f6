package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

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
		fmt.Fprintln(d.out, strings.TrimRight("  "+line, " \n"))
	}
}

// kubectl prints and runs kubectl in a cluster, and returns what it printed.
func (d *demo) kubectl(ctx context.Context, cluster string, args ...string) (string, error) {
	args = append([]string{"--context", cluster}, args...)
	d.command("kubectl %s", quote(args))
	return d.execute(ctx, d.lab.Kubectl(), "", args...)
}

// apply applies a manifest by kubectl.
func (d *demo) apply(ctx context.Context, cluster, file, manifest string) error {
	if !d.shown[manifest] {
		d.command("cat %s", file)
		d.output(manifest)
		d.shown[manifest] = true
	}
	d.command("kubectl --context %s apply -f %s", cluster, file)
	_, err := d.execute(ctx, d.lab.Kubectl(), manifest, "--context", cluster, "apply", "-f", "-")
	return err
}

// hansa prints and runs hansa, and returns what it printed.
func (d *demo) hansa(ctx context.Context, args ...string) (string, error) {
	d.command("hansa %s", quote(args))
	return d.execute(ctx, d.binary("hansa"), "", args...)
}

// execute runs a program in the demo's folder, with the clusters as its contexts, and prints what it prints.
func (d *demo) execute(ctx context.Context, program, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = d.lab.Dir()
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.lab.Kubeconfig())
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	d.output(out.String())
	if err != nil {
		return out.String(), fmt.Errorf("%s %s: %w", filepath.Base(program), quote(args), err)
	}
	return out.String(), nil
}
