package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// newSource is a directory that looks like lab/kube, and the release in it.
func newSource(t *testing.T) release {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module m\n\nrequire (\n\tk8s.io/kubernetes v1.2.3\n)\n")
	write(t, filepath.Join(dir, "go.sum"), "")
	write(t, filepath.Join(dir, "main.go"), "package main\n")
	return release{dir, "go.mod", "v1.2.3"}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// compileOnce counts its calls and fails when two of them overlap.
type compileOnce struct {
	t       *testing.T
	calls   atomic.Int32
	running atomic.Int32
}

func (c *compileOnce) compile(_ context.Context, p Program, target string, _ io.Writer) error {
	if c.running.Add(1) > 1 {
		c.t.Error("two builds run at once")
	}
	defer c.running.Add(-1)
	c.calls.Add(1)
	time.Sleep(50 * time.Millisecond) // stands for the minutes that others wait.
	return os.WriteFile(target, []byte(p.Version), 0o700)
}

func TestConcurrentBuildsCompileOnce(t *testing.T) {
	c := &compileOnce{t: t}
	b := builder{t.TempDir(), newSource(t).program(""), c.compile}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			binary, err := b.build(t.Context(), io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			if got, err := os.ReadFile(binary); err != nil || string(got) != "v1.2.3" {
				t.Errorf("binary = %q, %v", got, err)
			}
		})
	}
	group.Wait()
	if n := c.calls.Load(); n != 1 {
		t.Errorf("compiled %d times, want once", n)
	}
}

func TestBuildIsSilentWhenTheBinaryIsThere(t *testing.T) {
	b := builder{t.TempDir(), newSource(t).program(""), (&compileOnce{t: t}).compile}
	for _, want := range []string{"Building the control plane of Kubernetes v1.2.3", ""} {
		var out strings.Builder
		if _, err := b.build(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(out.String(), want) || (want == "" && out.Len() > 0) {
			t.Errorf("said %q, want %q", out.String(), want)
		}
	}
}

func TestBuildAgainWhenASourceFileChanges(t *testing.T) {
	c := &compileOnce{t: t}
	b := builder{t.TempDir(), newSource(t).program(""), c.compile}
	for i, file := range []string{"main.go", "go.sum", "go.mod"} {
		if _, err := b.build(t.Context(), io.Discard); err != nil {
			t.Fatal(err)
		}
		if n := int(c.calls.Load()); n != i+1 {
			t.Errorf("compiled %d times before %s changed, want %d", n, file, i+1)
		}
		write(t, filepath.Join(b.program.Source, file), fmt.Sprintf("// changed\nrequire k8s.io/kubernetes v1.2.%d\n", i))
		write(t, filepath.Join(b.program.Source, "go.mod"), "require k8s.io/kubernetes v1.2.3 // "+file)
	}
}

func TestFailedBuildLeavesNothingAndIsTriedAgain(t *testing.T) {
	broken := errors.New("main.go:1: expected a program")
	b := builder{t.TempDir(), newSource(t).program(""), func(_ context.Context, _ Program, target string, _ io.Writer) error {
		write(t, target, "half a prog")
		return broken
	}}
	for range 2 {
		if _, err := b.build(t.Context(), io.Discard); !errors.Is(err, broken) {
			t.Errorf("err = %v, want the compiler's words", err)
		}
	}
	left, err := filepath.Glob(filepath.Join(b.cache, "*", "kube*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left %v, %v", left, err)
	}
}

func TestCompileShowsTheCompilersWords(t *testing.T) {
	source := t.TempDir()
	write(t, filepath.Join(source, "go.mod"), "module m\n\ngo 1.26\n")
	write(t, filepath.Join(source, "main.go"), "package main\n\nfunc main() { sail() }\n")
	err := compile(t.Context(), release{source, "go.mod", "v1.2.3"}.program(""), filepath.Join(t.TempDir(), "kube"), io.Discard)
	if err == nil || !strings.Contains(err.Error(), "undefined: sail") {
		t.Errorf("err = %v, want the compiler's words", err)
	}
}

func TestCompileEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	tired := errors.New("tired of waiting")
	cancel(tired)
	err := compile(ctx, newSource(t).program(""), filepath.Join(t.TempDir(), "kube"), io.Discard)
	if !errors.Is(err, tired) {
		t.Errorf("err = %v, want %v", err, tired)
	}
}

func TestProgressTellsPackagesFromErrors(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	for _, text := range []string{"go: downloading k8s.io/api v1\nk8s.io/a", "pi/core/v1\nfmt\n# m\nmain.go:3:", "15: undefined: x\n"} {
		if _, err := p.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	p.show()
	if !strings.Contains(out.String(), "2 packages compiled, fmt\n") {
		t.Errorf("showed %q", out.String())
	}
	if got := p.words().Error(); got != "# m\nmain.go:3:15: undefined: x" {
		t.Errorf("words = %q", got)
	}
}

func TestProgressBoundsWhatItKeeps(t *testing.T) {
	p := newProgress(io.Discard)
	for i := range 10 * maxWords {
		fmt.Fprintf(p, "m.go:%d: wrong\n", i)
	}
	fmt.Fprint(p, strings.Repeat("x ", maxPartial))
	if len(p.said) > maxWords || len(p.partial) > maxPartial {
		t.Errorf("keeps %d lines and %d bytes, want at most %d and %d", len(p.said), len(p.partial), maxWords, maxPartial)
	}
}

func TestLinkerFlagsSayTheVersion(t *testing.T) {
	const at = "k8s.io/component-base/version."
	want := "-s -w -X " + at + "gitVersion=v1.36.3 -X " + at + "gitMajor=1 -X " + at + "gitMinor=36"
	if got := linkerFlags("v1.36.3"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFindSourceOutsideTheModuleSaysWhatToDo(t *testing.T) {
	t.Chdir(t.TempDir())
	if _, err := FindSource("kube"); err == nil || !strings.Contains(err.Error(), "change into one") {
		t.Errorf("err = %v", err)
	}
}
