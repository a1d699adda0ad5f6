//go:build linux

package lab

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func startAs(t *testing.T, config ProcessConfig) *Process {
	t.Helper()
	process, err := StartProcess(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Stop(0) })
	return process
}

func ownBlock() {
	process, err := StartProcess(as("block"))
	if err != nil {
		panic(err)
	}
	announce(process)
	time.Sleep(time.Hour)
}

func TestProcessEndsWithItsStarterEvenBySIGKILL(t *testing.T) {
	cmd, pids := owner(t, "own-block")
	handles := openHandles(t, pids)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	gone(t, handles, 2*time.Second)
}

func TestProcessIsNotInItsStartersGroup(t *testing.T) {
	process := startAs(t, as("block"))
	group, err := unix.Getpgid(process.Pid())
	if err != nil || group != process.Pid() {
		t.Errorf("process group = %d, %v: want its own, or an interrupt of the terminal reaches it", group, err)
	}
}

func TestProcessReportsHowItEnded(t *testing.T) {
	config := as("fail")
	config.LogFile = filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(config.LogFile, []byte("of an earlier process\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	process := startAs(t, config)
	<-process.Done()
	if err := process.Err(); err == nil || err.Error() != "fail ended: exit status 3" {
		t.Errorf("Err = %v", err)
	}
	if got := process.LogTail(2); got != "two\nthree" {
		t.Errorf("LogTail(2) = %q", got)
	}
	if got := process.LogTail(9); got != "one\ntwo\nthree" {
		t.Errorf("LogTail(9) = %q", got)
	}
	if err := process.Signal(os.Interrupt); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal after the end = %v, want os.ErrProcessDone", err)
	}
}

func TestProcessInheritsNoEnvironment(t *testing.T) {
	t.Setenv("HANSA_LAB_SECRET", "leaks")
	config := as("print-env")
	config.LogFile = filepath.Join(t.TempDir(), "log")
	process := startAs(t, config)
	<-process.Done()
	if got := process.LogTail(100); got != config.Env[0] {
		t.Errorf("environment = %q, want %q alone", got, config.Env[0])
	}
}

func TestStopEndsAProcessThatHeedsSIGTERM(t *testing.T) {
	process := startAs(t, as("block"))
	for range 2 {
		if err := process.Stop(time.Minute); err != nil {
			t.Errorf("Stop = %v", err)
		}
	}
	if process.Err() == nil {
		t.Error("Err is nil for a process that a signal ended")
	}
}

func TestStopKillsAProcessThatIgnoresSIGTERM(t *testing.T) {
	config := as("deaf")
	config.LogFile = filepath.Join(t.TempDir(), "log")
	process := startAs(t, config)
	err := await(t.Context(), process, nil, logSays(process, "deaf"))
	if err != nil {
		t.Fatal(err)
	}
	err = process.Stop(20 * time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "deaf did not end within 20ms") {
		t.Errorf("Stop = %v", err)
	}
	select {
	case <-process.Done():
	default:
		t.Error("Stop returned before the process had ended")
	}
}

func TestStartProcessSaysWhatItCannotStart(t *testing.T) {
	_, err := StartProcess(ProcessConfig{Name: "etcd", Path: filepath.Join(t.TempDir(), "missing")})
	if !errors.Is(err, os.ErrNotExist) || !strings.HasPrefix(err.Error(), "start etcd: ") {
		t.Errorf("err = %v", err)
	}
}
