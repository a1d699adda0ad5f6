// Command rules says, rule by rule of the MCS API, whether the tests prove it.
//
// In: the registry of rules (rules.txt) and the attributes by which tests name the rules that they prove
// (package rule). Out: a line for each rule, then those that belong elsewhere with the reason, then the
// numbers; and status 1 if anything failed. Owned here: the registry, and the verdicts (NewReport, pure).
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"github.com/hansa-mcs/hansa/integration/coredns"
	"github.com/hansa-mcs/hansa/integration/lab"
)

//go:embed rules.txt
var registry string

const module = "github.com/hansa-mcs/hansa"

// tested are the packages whose tests prove rules.
var tested = []string{
	module + "/dns", module + "/exporter", module + "/federation", module + "/importer", module + "/importer/kube",
	module + "/cmd/hansa-agent/agent", module + "/integration",
}

// usage is what -h prints above the flags.
const usage = `usage: go run ./integration/rules [-kube MINOR]

Runs the tests that prove rules of the MCS API, the integration tests on real
control planes among them, and says of every rule whether they do:

  ok    a test names the rule, and every test that names it passed
  FAIL  no test names it, or one did not pass; what that said follows
  --    it belongs elsewhere, for the reason given

What each rule says is in integration/rules/rules.txt. All of it takes some
minutes, and the first time about five more, to build the control planes. The
exit status is 1 if a line begins with FAIL.

`

// arguments reads the command line, and prints what is wrong with it, or the help, to out.
func arguments(args []string, out io.Writer) (kube string, err error) {
	flags := flag.NewFlagSet("rules", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprint(out, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&kube, "kube", "", "`MINOR` of the Kubernetes to test against, such as 1.33; without it the newest that the lab knows")
	if err := flags.Parse(args); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(out, "rules: unexpected %q: want no argument but -kube MINOR, as every rule is tested; see -h\n", flags.Arg(0))
		return "", errUnexpected
	}
	return kube, nil
}

var errUnexpected = errors.New("unexpected argument")

func main() {
	kube, err := arguments(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	report, err := run(ctx, kube)
	stop()
	fmt.Print(report.Text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "rules:", err)
	}
	if err != nil || report.Failed > 0 {
		os.Exit(1)
	}
}

// run runs the tests and reports on them. That tests fail is no error.
func run(ctx context.Context, kube string) (Report, error) {
	rules, err := ParseRegistry(registry)
	if err != nil {
		return Report{}, err
	}
	if kube != "" {
		if err := os.Setenv(lab.KubeVariable, kube); err != nil {
			return Report{}, err
		}
	}
	// Before the tests, whose patience it would outlast; a version that there is none of ends here.
	for _, manager := range []bool{false, true} {
		if _, err := lab.Build(ctx, os.Stderr, manager); err != nil {
			return Report{}, err
		}
	}
	if _, err := coredns.Build(ctx, os.Stderr); err != nil {
		return Report{}, err
	}
	// Not from the cache: what is tested is more than the files that the go command knows of.
	args := append([]string{"test", "-race", "-json", "-count=1", "-timeout=30m"}, tested...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = time.Minute
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return Report{}, err
	}
	began := time.Now()
	fmt.Fprintf(os.Stderr, "testing %d packages, which takes some minutes\n", len(tested))
	if err := cmd.Start(); err != nil {
		return Report{}, fmt.Errorf("running the tests: %w", err)
	}
	results := NewResults(tested...)
	err = results.Read(out, func(p *unit) {
		fmt.Fprintf(os.Stderr, "%s %s in %.1fs, %s after the start\n", p, p.Result, p.Elapsed, time.Since(began).Round(time.Second))
	})
	ended := cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](ended); ok {
		ended = nil // a test that failed, which the report tells
	}
	return NewReport(rules, results), errors.Join(err, ctx.Err(), ended)
}
