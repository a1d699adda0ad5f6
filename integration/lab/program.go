package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Program is one that is compiled on this machine from a module of its own in this tree, because nothing of
// Hansa shall depend on what it is made of.
type Program struct {
	// Name is what sentences call it, as in "the control plane of Kubernetes v1.36.3".
	Name string
	// Cost tells a person how long the first build takes.
	Cost string
	// Source is the module's directory, and Modfile the name of the go.mod in it that counts.
	Source, Modfile string
	// Package is what is compiled: "." or the path of a package that the module requires.
	Package string
	// Version is the release of what is built.
	Version string
	// Tags are build tags, and Linker the flags of the linker.
	Tags   []string
	Linker string
	// Dir is the directory below the cache in which the binary is kept, and File its name.
	Dir, File string
}

// Build returns the path of the program's binary, which is made if it is not in the cache yet: whole or not at
// all. Out is told what happens meanwhile, and nothing if the binary is there. Several processes may call it at
// once: one builds and the others wait. A change of the module's go.mod, go.sum or Go files makes another one.
func (p Program) Build(ctx context.Context, out io.Writer) (binary string, err error) {
	cache, err := CacheDir()
	if err != nil {
		return "", err
	}
	return builder{filepath.Join(cache, p.Dir), p, compile}.build(ctx, out)
}

// key differs when any file that the program is built from differs.
func (p Program) key() (string, error) {
	files, err := filepath.Glob(filepath.Join(p.Source, "*.go"))
	if err != nil {
		return "", err
	}
	sums := strings.TrimSuffix(p.Modfile, ".mod") + ".sum" // where the go command looks for them.
	files = append(files, filepath.Join(p.Source, p.Modfile), filepath.Join(p.Source, sums))
	slices.Sort(files)
	hash := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(content), content)
	}
	return fmt.Sprintf("%.6x", hash.Sum(nil)), nil
}

// builder makes the binary of one program and keeps it below cache.
type builder struct {
	cache   string
	program Program
	compile func(ctx context.Context, p Program, target string, out io.Writer) error
}

func (b builder) build(ctx context.Context, out io.Writer) (string, error) {
	key, err := b.program.key()
	if err != nil {
		return "", fmt.Errorf("read what %s is built from: %w", b.program.Name, err)
	}
	dir := filepath.Join(b.cache, b.program.Version+"-"+key)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, b.program.File)
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	lock, err := b.lock(ctx, filepath.Join(dir, "lock"), out)
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
	fmt.Fprintf(out, "Building %s, once for this machine: %s.\n", b.program.Name, b.program.Cost)
	begun := time.Now()
	unfinished := binary + ".unfinished"
	if err := b.compile(ctx, b.program, unfinished, out); err != nil {
		_ = os.Remove(unfinished)
		return fmt.Errorf("build %s in %s: %w", b.program.Name, b.program.Source, err)
	}
	if err := os.Rename(unfinished, binary); err != nil {
		return err
	}
	fmt.Fprintf(out, "Built in %s: %s\n", time.Since(begun).Round(time.Second), binary)
	return nil
}

func (b builder) lock(ctx context.Context, path string, out io.Writer) (*Lock, error) {
	lock, err := TryLock(path)
	if !errors.Is(err, ErrLocked) {
		return lock, err
	}
	fmt.Fprintf(out, "Another process builds %s; waiting for it.\n", b.program.Name)
	return WaitLock(ctx, path)
}
