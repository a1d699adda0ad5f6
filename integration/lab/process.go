package lab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// maxTail bounds what LogTail reads of a log, in bytes.
const maxTail = 64 << 10

// ProcessConfig says what StartProcess starts.
type ProcessConfig struct {
	// Name is what errors call it. Empty means Path.
	Name string
	// Path is the program's file, not looked up in PATH.
	Path string
	// Args are its arguments, without the program's name.
	Args []string
	// Env is its whole environment; nothing is inherited.
	Env []string
	// Dir is its working directory. Empty means the caller's.
	Dir string
	// LogFile is where its standard output and error are appended to, made with
	// mode 0600 if missing. Empty means that they are dropped.
	LogFile string
}

// Process is a program that never outlives the one that started it: the kernel
// kills it when its starter ends, however that happens. It is in a process group
// of its own, so an interrupt typed at the terminal reaches the starter only.
// All methods may be called by many goroutines at once.
type Process struct {
	name string
	log  string
	from int64 // size of the log when the process was started.
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed.
}

// StartProcess starts a program and returns as soon as it runs. Its caller must
// call Stop, or wait for Done, to know that nothing is left of it.
func StartProcess(config ProcessConfig) (*Process, error) {
	p := &Process{name: config.Name, log: config.LogFile, done: make(chan struct{})}
	if p.name == "" {
		p.name = config.Path
	}
	attributes, err := processAttributes()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	log, err := p.openLog()
	if err != nil {
		return nil, fmt.Errorf("start %s: open its log: %w", p.name, err)
	}
	defer log.Close()
	p.cmd = &exec.Cmd{
		Path:        config.Path,
		Args:        append([]string{config.Path}, config.Args...),
		Env:         append([]string{}, config.Env...), // nil would mean the caller's.
		Dir:         config.Dir,
		Stdout:      log,
		Stderr:      log,
		SysProcAttr: attributes,
	}
	started := make(chan error)
	go p.own(started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", p.name, err)
	}
	return p, nil
}

// own starts the process and waits for it on one OS thread, because the kernel
// takes the end of the thread that started a process for the end of its parent.
func (p *Process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	if err := p.cmd.Wait(); err != nil {
		p.err = fmt.Errorf("%s ended: %w", p.name, err)
	}
	close(p.done)
}

func (p *Process) openLog() (*os.File, error) {
	if p.log == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	p.from, err = file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Done is closed when the process has ended and is reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err is nil until Done is closed, then says how the process ended; it stays
// nil after exit status 0.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Pid is the process's number. It means nothing once Done is closed.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process; a process that has ended is
// os.ErrProcessDone.
func (p *Process) Signal(signal os.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %s to %s: %w", signal, p.name, err)
	}
	return nil
}

// Stop ends the process and returns when it is gone: it asks with SIGTERM, waits
// at most grace, and kills. A grace of 0 kills at once. It returns an error if
// the process had to be killed because grace was over, and nil otherwise,
// whatever its exit status; stopping twice is fine.
func (p *Process) Stop(grace time.Duration) error {
	if grace > 0 && p.stopsWithin(grace) {
		return nil
	}
	if err := p.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.done
	if grace > 0 {
		return fmt.Errorf("%s did not end within %s of SIGTERM and was killed", p.name, grace)
	}
	return nil
}

func (p *Process) stopsWithin(grace time.Duration) bool {
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return true
	case <-timer.C:
		return false
	}
}

// LogTail is the last n lines, at most 64 KiB, that this process wrote to its
// log file; what an earlier process wrote there does not count. It is empty if
// there is none or it cannot be read.
func (p *Process) LogTail(n int) string {
	file, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer file.Close()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return ""
	}
	from := max(p.from, end-maxTail)
	text := make([]byte, max(0, end-from))
	if _, err := file.ReadAt(text, from); err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
