package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// A demo that is kept is run by a keeper, a process of its own session that owns everything. The process
// that the user started shows what the keeper prints, and ends when the last check is done; it holds one
// end of a lifeline, so that the keeper ends too if it is killed before.

// lifeline is the keeper's file descriptor of that name; reading it ends when the user's process does.
const lifeline = 3

// startKeeper runs the demo in a keeper and returns when its checks are done; failed says whether one
// of them failed.
func startKeeper(ctx context.Context) (failed bool, err error) {
	self, err := os.Executable()
	if err != nil {
		return false, err
	}
	held, line, err := os.Pipe()
	if err != nil {
		return false, err
	}
	defer line.Close()
	cmd := exec.Command(self, "-keeper")
	cmd.ExtraFiles = []*os.File{held}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return false, err
	}
	_ = held.Close()
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer stop()
	// The keeper closes its output when it is done, whether it stays or not.
	last := &tail{}
	if _, err := io.Copy(io.MultiWriter(os.Stdout, last), out); err != nil {
		return false, err
	}
	if ctx.Err() != nil || !strings.Contains(last.String(), kept) {
		_ = cmd.Wait() // it said why
		return true, nil
	}
	return !strings.Contains(last.String(), ", 0 failed\n"), nil
}

// tail keeps the end of what is written to it.
type tail struct{ text []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) String() string { return string(t.text) }

// endGrace is how long a keeper may take to end before it is killed.
const endGrace = 20 * time.Second

// kept is what the keeper says last when it stays.
const kept = "make demo-down"

// keeper runs the demo, and then stays until it is told to end.
func keeper(ctx context.Context) (failed int, err error) {
	lock, err := lockKept()
	if err != nil {
		return 0, err
	}
	defer lock.Unlock()
	if err := lock.Write(strconv.Itoa(os.Getpid())); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	staying := make(chan struct{})
	go func() { // ends with the process, or when the user's process does
		_, _ = os.NewFile(lifeline, "lifeline").Read(make([]byte, 1))
		select {
		case <-staying:
		default:
			cancel()
		}
	}()
	return run(ctx, func(d *demo) {
		d.invite()
		close(staying)
		closeOutput()
		<-ctx.Done()
	})
}

// closeOutput lets the user's process see the end; what is printed after goes nowhere.
func closeOutput() {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer null.Close()
	_ = unix.Dup2(int(null.Fd()), int(os.Stdout.Fd()))
	_ = unix.Dup2(int(null.Fd()), int(os.Stderr.Fd()))
}

func lockPath() (string, error) {
	dir, err := lab.CacheDir()
	return filepath.Join(dir, "demo.lock"), err
}

func lockKept() (*lab.Lock, error) {
	path, err := lockPath()
	if err != nil {
		return nil, err
	}
	lock, err := lab.TryLock(path)
	if errors.Is(err, lab.ErrLocked) {
		return nil, errors.New("a demo is kept up already; end it by: make demo-down")
	}
	return lock, err
}

// endKept ends the demo that is kept up, and returns when it is gone.
func endKept(ctx context.Context) error {
	path, err := lockPath()
	if err != nil {
		return err
	}
	lock, err := lab.TryLock(path)
	if errors.Is(err, lab.ErrLocked) {
		var text []byte
		if text, err = os.ReadFile(path); err != nil {
			return err
		}
		pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
		if convErr != nil {
			return fmt.Errorf("%s: want the keeper's process ID: %w", path, convErr)
		}
		if lock, err = endKeeper(ctx, pid, path); err != nil {
			return fmt.Errorf("ending the demo, process %d: %w", pid, err)
		}
		fmt.Println("The demo is down.")
		return lock.Unlock()
	}
	if err != nil {
		return err
	}
	fmt.Println("No demo is kept up.")
	return lock.Unlock()
}

// endKeeper asks the keeper to end, kills it when it does not, and returns its lock. What it ran ends with it.
func endKeeper(ctx context.Context, pid int, path string) (lock *lab.Lock, err error) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		if err := syscall.Kill(pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			return nil, err
		}
		waitCtx, cancel := context.WithTimeout(ctx, endGrace)
		lock, err = lab.WaitLock(waitCtx, path)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return lock, err
}

// untilTold returns a context that ends when the process is told to.
func untilTold() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
}
