//go:build linux

package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary another program: what it names in roles.
const roleVariable = "HANSA_LAB_TEST_ROLE"

// roles are the programs that tests start as processes of their own.
var roles = map[string]func(){
	"block":      func() { select {} },
	"fail":       func() { fmt.Println("one\ntwo\nthree"); os.Exit(3) },
	"print-env":  func() { fmt.Println(strings.Join(os.Environ(), "\n")) },
	"deaf":       deaf,
	"own-block":  ownBlock,
	"own-lab":    ownLab,
	"own-rundir": ownRunDir,
}

func TestMain(m *testing.M) {
	if run, ok := roles[os.Getenv(roleVariable)]; ok {
		run()
		return
	}
	goleak.VerifyTestMain(m)
}

// deaf ignores SIGTERM, says so, and never ends by itself.
func deaf() {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("deaf")
	time.Sleep(time.Hour)
}

// as is the configuration of a process in a role.
func as(role string) ProcessConfig {
	return ProcessConfig{Name: role, Path: os.Args[0], Env: []string{roleVariable + "=" + role}}
}

// owner starts the test binary in a role as an ordinary child and reads the
// process numbers that it prints in its first line.
func owner(t *testing.T, role string) (*exec.Cmd, []int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	var count int
	if _, err := fmt.Fscan(out, &count); err != nil {
		t.Fatalf("read how many processes the owner has: %v", err)
	}
	pids := make([]int, count)
	for i := range pids {
		if _, err := fmt.Fscan(out, &pids[i]); err != nil {
			t.Fatal(err)
		}
	}
	return cmd, pids
}

// announce prints what owner reads.
func announce(processes ...*Process) {
	fmt.Println(len(processes))
	for _, process := range processes {
		fmt.Println(process.Pid())
	}
}

// openHandles opens handles on processes that run, to wait for their end with gone.
func openHandles(t *testing.T, pids []int) []int {
	t.Helper()
	handles := make([]int, len(pids))
	for i, pid := range pids {
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			t.Fatalf("process %d does not run: %v", pid, err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		handles[i] = fd
	}
	return handles
}

// gone fails the test unless all processes end within the limit.
func gone(t *testing.T, handles []int, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for _, fd := range handles {
		for {
			left := max(0, time.Until(deadline))
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
			if err == unix.EINTR {
				continue
			}
			if err != nil || n == 0 {
				t.Fatalf("a process is left after %s (%v)", limit, err)
			}
			break
		}
	}
}

// logSays is a check for await.
func logSays(process *Process, text string) func(context.Context) error {
	return func(context.Context) error {
		if !strings.Contains(process.LogTail(9), text) {
			return fmt.Errorf("the log does not say %q", text)
		}
		return nil
	}
}
