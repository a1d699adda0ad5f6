//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
	"golang.org/x/sys/unix"
)

// mainVariable makes the test binary the command itself, also as a supervisor.
const mainVariable = "HANSA_LAB_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVariable) != "" {
		main()
		return
	}
	os.Setenv(mainVariable, "1")
	os.Exit(m.Run())
}

// newTestPlace is a lab of the test's own, which is down when the test ends.
func newTestPlace(t *testing.T) place {
	t.Helper()
	if _, err := lab.Build(t.Context(), t.Output(), true); err != nil {
		t.Fatal(err)
	}
	p, err := newPlace(fmt.Sprintf("test-%d-%s", os.Getpid(), strings.ToLower(t.Name()[4:8])))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := down(context.Background(), p, t.Output()); err != nil {
			t.Error(err)
		}
		_ = os.RemoveAll(p.dir)
	})
	return p
}

// call runs the command as a process and returns its exit status and output.
func call(t *testing.T, p place, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append(args, "--name", p.name)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// expect calls the command and compares its exit status and a part of each output.
func expect(t *testing.T, p place, wantStatus int, wantOut, wantErr string, args ...string) string {
	t.Helper()
	status, out, errs := call(t, p, args...)
	if status != wantStatus || !strings.Contains(out, wantOut) || !strings.Contains(errs, wantErr) {
		t.Errorf("lab %s: status %d\n%s\n%s\nwant status %d, %q and %q", strings.Join(args, " "),
			status, out, errs, wantStatus, wantOut, wantErr)
	}
	return out
}

// members are handles on all processes whose program is in the place's directory.
func members(t *testing.T, p place) (handles []int) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("/proc"), "[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, err := os.ReadFile(filepath.Join("/proc", file))
		if err != nil || !strings.HasPrefix(string(line), p.dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Dir(file))
		if err != nil {
			t.Fatal(err)
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it ended just now.
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
		handles = append(handles, fd)
	}
	return handles
}

func gone(t *testing.T, handles []int, limit time.Duration) {
	t.Helper()
	for _, fd := range handles {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(limit.Milliseconds()))
		if n == 0 {
			t.Fatalf("a process is left after %s (%v)", limit, err)
		}
	}
}

func TestUpAndDown(t *testing.T) {
	p := newTestPlace(t)
	expect(t, p, 0, "No lab", "", "down")
	expect(t, p, 1, "", "lab up --clusters east,west,north --name "+p.name+"\n", "status")
	expect(t, p, 1, "", "no lab", "kubeconfig")
	absent(t, p.dir)
	out := expect(t, p, 0, "export KUBECONFIG='"+p.data(), "Cluster west is ready", "up", "--clusters", "east,west")
	if hint := "lab down --name " + p.name + "\n"; !strings.HasSuffix(out, hint) {
		t.Errorf("up says %q, want %q at the end", out, hint)
	}
	expect(t, p, 1, "", "is already up", "up", "--clusters", "east,west")
	expect(t, p, 1, "", "lab status --name "+p.name+"\n", "up", "--clusters", "east,west")
	expect(t, p, 1, "", "lab down --name "+p.name+"\n", "up", "--clusters", "east,west")
	expect(t, p, 0, "https://127.0.0.1:", "", "status")
	expect(t, p, 0, "export KUBECONFIG='"+p.data(), "", "kubeconfig", "--export")
	path := strings.TrimSpace(expect(t, p, 0, p.data(), "", "kubeconfig"))
	kubectl := exec.CommandContext(t.Context(), filepath.Join(p.data(), "bin", "kubectl"),
		"--kubeconfig", path, "--context", "west", "get", "--raw", "/readyz")
	if out, err := kubectl.CombinedOutput(); err != nil || string(out) != "ok" {
		t.Errorf("kubectl: %s, %v", out, err)
	}
	handles := members(t, p)
	if len(handles) != 4 {
		t.Errorf("%d processes, want 2 of each cluster", len(handles))
	}
	expect(t, p, 0, "is down", "", "down")
	gone(t, handles, 0)
	absent(t, p.dir)
}

// The hints of the lab that has no name of its own are as short as what its user typed.
func TestTheDefaultNameIsNotHinted(t *testing.T) {
	if got := (place{name: defaultName}).command("down"); got != program+" down" {
		t.Errorf("down is %q", got)
	}
}

// absent fails unless nothing is at path.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("%s: %v, want that it is gone", path, err)
	}
}

func TestKilledSupervisorLeavesNoProcess(t *testing.T) {
	p := newTestPlace(t)
	expect(t, p, 0, "", "", "up", "--clusters", "east")
	handles := members(t, p)
	if len(handles) != 2 {
		t.Errorf("%d processes, want 2", len(handles))
	}
	pid, err := p.supervisor()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	gone(t, handles, 2*time.Second)
	expect(t, p, 0, "No lab", "", "down")
	absent(t, p.dir)
}

// beginUp starts up and returns when the clusters are being started.
func beginUp(t *testing.T, p place) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0], "up", "--clusters", "east", "--name", p.name)
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(errs).ReadString('\n')
	if err != nil || line != "Starting east.\n" {
		t.Fatalf("up said %q, %v", line, err)
	}
	return cmd
}

func TestUpThatEndsBeforeItIsReadyLeavesNothing(t *testing.T) {
	for name, signal := range map[string]os.Signal{"interrupted": os.Interrupt, "killed": os.Kill} {
		t.Run(name, func(t *testing.T) {
			p := newTestPlace(t)
			cmd := beginUp(t, p)
			if err := cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("up says that all is well")
			}
			left := p.data()
			if name == "interrupted" {
				left = p.dir // up removes it before it ends
			} else {
				awaitEnd(t, p)
			}
			if handles := members(t, p); len(handles) > 0 {
				t.Errorf("%d processes are left", len(handles))
			}
			absent(t, left)
		})
	}
}

// awaitEnd returns once no supervisor has the place.
func awaitEnd(t *testing.T, p place) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	lock, err := lab.WaitLock(ctx, p.lock())
	if err != nil {
		t.Fatalf("the supervisor is left: %v", err)
	}
	if err := lock.Unlock(); err != nil {
		t.Error(err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	p := newTestPlace(t)
	expect(t, p, 1, "", `"East" is no DNS label`, "up", "--clusters", "East")
	expect(t, p, 1, "", "is not empty", "up", "--clusters", "east", "--dir", ".")
	expect(t, place{name: "Ost"}, 1, "", `--name: "Ost" is no DNS label`, "status")
}
