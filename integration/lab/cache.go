package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// CacheDir is where everything of labs is kept: binaries below kube, the
// directories of running labs below run. It is made with mode 0700 if missing.
func CacheDir() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the cache directory (set HOME or XDG_CACHE_HOME): %w", err)
	}
	dir := filepath.Join(cache, "hansa-lab")
	return dir, os.MkdirAll(dir, 0o700)
}

// runDir is a lab's own directory and the proof that its owner lives.
type runDir struct {
	path string
	lock *Lock
	keep bool // given by the caller, who also removes it.
}

// newRunDir makes a fresh directory below root and removes those there whose
// owner is gone; what cannot be removed is left to the next call.
func newRunDir(ctx context.Context, root string) (*runDir, error) {
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, err
	}
	// One at a time, so that none is swept between being made and being locked.
	all, err := WaitLock(ctx, filepath.Join(root, "lock"))
	if err != nil {
		return nil, err
	}
	defer all.Unlock()
	sweep(root)
	path, err := os.MkdirTemp(root, "lab-")
	if err != nil {
		return nil, err
	}
	return lockRunDir(path, false)
}

// givenRunDir takes a directory that the caller chose, which must be new or empty.
func givenRunDir(path string) (*runDir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%s is not empty: a lab needs a directory of its own, remove it or name another", path)
	}
	return lockRunDir(path, true)
}

func lockRunDir(path string, keep bool) (*runDir, error) {
	lock, err := TryLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, err
	}
	return &runDir{path, lock, keep}, nil
}

// close removes the directory unless it is the caller's, and gives up its lock.
func (d *runDir) close() error {
	var err error
	if !d.keep {
		err = os.RemoveAll(d.path)
	}
	return errors.Join(err, d.lock.Unlock())
}

func sweep(root string) {
	entries, _ := filepath.Glob(filepath.Join(root, "lab-*"))
	for _, path := range entries {
		lock, err := TryLock(filepath.Join(path, "lock"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		// Without a lock file it was made by a Start that died on the next line.
		_ = os.RemoveAll(path)
		if lock != nil {
			_ = lock.Unlock()
		}
	}
}
