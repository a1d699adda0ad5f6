package lab

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// module is the main module, in which lab/kube is found.
const module = "github.com/hansa-mcs/hansa"

// managerTag is the build tag of the binary that is kube-controller-manager too.
const managerTag = "manager"

// Build returns the path of the binary that is every program of a lab, see
// lab/kube, kube-controller-manager only if manager is set, of the Kubernetes
// that KubeVariable chooses. It is made if it is not in the cache yet, which takes about five
// minutes on two cores the first time and half a minute after a change; out is
// told what happens meanwhile, and nothing if the binary is there. Several
// processes may call it at once: one builds and the others wait. The working
// directory must be in the main module.
func Build(ctx context.Context, out io.Writer, manager bool) (binary string, err error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	kube, err := chosenRelease()
	if err != nil {
		return "", err
	}
	b := builder{filepath.Join(cache, "kube"), kube, "", compile}
	if manager {
		b.tag = managerTag
	}
	return b.build(ctx, out)
}

// chosenRelease is the Kubernetes of every lab of this process.
func chosenRelease() (release, error) {
	source, err := findSource()
	if err != nil {
		return release{}, err
	}
	return chooseRelease(source, os.Getenv(KubeVariable))
}

// builder makes one binary of a release and keeps it below cache.
type builder struct {
	cache   string
	release release
	tag     string // a build tag; empty for none
	compile func(ctx context.Context, kube release, tag, target string, out io.Writer) error
}

func (b builder) build(ctx context.Context, out io.Writer) (string, error) {
	key, err := b.release.key()
	if err != nil {
		return "", fmt.Errorf("read what the control plane is built from: %w", err)
	}
	dir := filepath.Join(b.cache, b.release.version+"-"+key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "kube"+b.tag)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	lock, err := lockBuild(ctx, filepath.Join(dir, "lock"), b.release.version, out)
	if err != nil {
		return "", err
	}
	defer lock.Unlock()
	if _, err := os.Stat(binary); err == nil {
		return binary, nil // built while we waited.
	}
	return binary, b.replace(ctx, binary, out)
}

// replace makes binary appear whole or not at all. Its caller holds the lock.
func (b builder) replace(ctx context.Context, binary string, out io.Writer) error {
	fmt.Fprintf(out, "Building the control plane of Kubernetes %s, once for this machine: "+
		"about 5 minutes on two cores the first time.\n", b.release.version)
	begun := time.Now()
	unfinished := binary + ".unfinished"
	if err := b.compile(ctx, b.release, b.tag, unfinished, out); err != nil {
		_ = os.Remove(unfinished)
		return fmt.Errorf("build the control plane in %s: %w", b.release.source, err)
	}
	if err := os.Rename(unfinished, binary); err != nil {
		return err
	}
	fmt.Fprintf(out, "Built in %s: %s\n", time.Since(begun).Round(time.Second), binary)
	return nil
}

func lockBuild(ctx context.Context, path, version string, out io.Writer) (*Lock, error) {
	lock, err := TryLock(path)
	if !errors.Is(err, ErrLocked) {
		return lock, err
	}
	fmt.Fprintf(out, "Another process builds the control plane of Kubernetes %s; waiting for it.\n", version)
	return WaitLock(ctx, path)
}

// findSource is the directory of the control plane's module, found from the
// working directory upwards.
func findSource() (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if modulePath(filepath.Join(dir, "go.mod")) == module {
			return filepath.Join(dir, "integration", "lab", "kube"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout of %s: change into one, "+
				"the lab is built from its integration/lab/kube", working, module)
		}
	}
}

func modulePath(gomod string) string {
	file, err := os.Open(gomod)
	if err != nil {
		return ""
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if path, ok := strings.CutPrefix(scanner.Text(), "module "); ok {
			return strings.TrimSpace(path)
		}
	}
	return ""
}
