package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// ErrLocked says that another process, or another Lock of this one, holds a lock.
var ErrLocked = errors.New("locked by another process")

// lockRetry is how often WaitLock tries.
const lockRetry = 50 * time.Millisecond

// Lock is a file locked for its holder. The kernel releases it when the holder
// ends, however it ends; no child inherits it.
type Lock struct{ file *os.File }

// TryLock locks the file at path, made if missing with mode 0600, or returns
// ErrLocked at once. Whoever holds a lock may remove its file: the lock that
// others get is then one of a new file.
func TryLock(path string) (*Lock, error) {
	for {
		lock, err := tryLock(path)
		if err != nil || lock.current(path) {
			return lock, err
		}
		if err := lock.Unlock(); err != nil {
			return nil, err
		}
	}
}

// current reports whether the locked file is the one at path, rather than one
// that was removed between being opened and being locked.
func (l *Lock) current(path string) bool {
	ours, err := l.file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(ours, there)
}

func tryLock(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return &Lock{file}, nil
	}
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), file.Close())
}

// WaitLock locks the file at path as soon as nobody else holds it, or returns
// ctx's cause. It tries again and again: flock has no wait that can be ended.
func WaitLock(ctx context.Context, path string) (*Lock, error) {
	ticker := time.NewTicker(lockRetry)
	defer ticker.Stop()
	for {
		lock, err := TryLock(path)
		if !errors.Is(err, ErrLocked) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for lock %s: %w", path, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// Write replaces what the locked file holds; others may read it, locked or not.
func (l *Lock) Write(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}
	_, err := l.file.WriteAt([]byte(text), 0)
	return err
}

// Unlock releases the lock; the file stays.
func (l *Lock) Unlock() error { return l.file.Close() }
