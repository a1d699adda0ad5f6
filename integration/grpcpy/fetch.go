package grpcpy

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
)

//go:embed requirements.txt
var requirements string

// ErrMissing says that gRPC for Python was not installed on this machine.
var ErrMissing = errors.New("gRPC for Python is not on this machine: run make tools")

// Python is one that has gRPC.
type Python struct {
	interpreter string
	packages    string // the directory of the installed wheels
}

// findPython returns the machine's Python, and where its packages are kept. Wheels of one version of Python, or
// of other requirements, are of no use to another.
func findPython(ctx context.Context) (Python, error) {
	if runtime.GOOS != "linux" || (runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64") {
		return Python{}, fmt.Errorf("gRPC for Python is pinned for Linux on amd64 and arm64, not for %s on %s", runtime.GOOS, runtime.GOARCH)
	}
	out, err := exec.CommandContext(ctx, "python3", "-c", `import sys; print(sys.implementation.cache_tag, sys.executable)`).Output()
	if err != nil {
		return Python{}, fmt.Errorf("there is no python3 on this machine: %w", err)
	}
	tag, interpreter, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	cache, err := lab.CacheDir()
	if err != nil {
		return Python{}, err
	}
	kept := fmt.Sprintf("%s-%.6x", tag, sha256.Sum256([]byte(requirements)))
	return Python{interpreter, filepath.Join(cache, "grpcpy", kept, "packages")}, nil
}

// Find returns the Python for which Fetch installed gRPC, or an error that says in a sentence why there is none:
// ErrMissing where Fetch might help.
func Find(ctx context.Context) (Python, error) {
	p, err := findPython(ctx)
	if err != nil {
		return Python{}, err
	}
	if _, err := os.Stat(p.packages); err != nil {
		return Python{}, ErrMissing
	}
	return p, nil
}

// Fetch returns the directory of gRPC for Python, which is installed by pip if it is not there yet: whole or not at all,
// and only as it was when its sums were pinned. Out is told what happens meanwhile, and nothing if it is there. Several
// processes may call it at once: one installs and the others wait.
func Fetch(ctx context.Context, out io.Writer) (dir string, err error) {
	p, err := findPython(ctx)
	if err != nil {
		return "", err
	}
	place := filepath.Dir(p.packages)
	if err := os.MkdirAll(place, 0o700); err != nil {
		return "", err
	}
	lock, err := lab.WaitLock(ctx, filepath.Join(place, "lock"))
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	if _, err := os.Stat(p.packages); err == nil {
		return p.packages, nil
	}
	fmt.Fprintln(out, "Fetching gRPC for Python, once for this machine: 7 MB to download.")
	begun := time.Now()
	if err := p.install(ctx, place); err != nil {
		return "", fmt.Errorf("fetch gRPC for Python: %w", err)
	}
	fmt.Fprintf(out, "Fetched in %s: %s\n", time.Since(begun).Round(time.Second), p.packages)
	return p.packages, nil
}

// install makes the packages appear whole or not at all. Its caller holds the lock. Where pip looks for them is a matter
// of its own settings.
func (p Python) install(ctx context.Context, place string) (err error) {
	wanted, unfinished := filepath.Join(place, "requirements.txt"), p.packages+".unfinished"
	if err := errors.Join(os.RemoveAll(unfinished), os.WriteFile(wanted, []byte(requirements), 0o600)); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.interpreter, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--disable-pip-version-check",
		"--root-user-action", "ignore", "--only-binary", ":all:", "--require-hashes", "--requirement", wanted, "--target", unfinished)
	if said, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("install by pip: %w\n%s", err, said), os.RemoveAll(unfinished))
	}
	return os.Rename(unfinished, p.packages)
}
