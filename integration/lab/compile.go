package lab

import (
	"context"
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

// CompilerFlags leave debugging data out of what is compiled, which nobody looks at here and which takes a
// fifth of the time. Programs that are built with them, and with CGO_ENABLED=0, share the standard library
// in Go's build cache.
const CompilerFlags = "-gcflags=all=-dwarf=false"

// compile has the go command build a program into target and tells out how far it is. Its
// error has the compiler's words.
func compile(ctx context.Context, p Program, target string, out io.Writer) error {
	tool, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("%s is compiled on this machine, and there is no Go toolchain: %w", p.Name, err)
	}
	progress := newProgress(out)
	cmd := exec.CommandContext(ctx, tool, "build", "-v", "-modfile="+p.Modfile, "-buildvcs=false", CompilerFlags,
		"-tags", strings.Join(p.Tags, ","), "-ldflags", p.Linker, "-o", target, p.Package)
	cmd.Dir = p.Source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off",
		"GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Stdout, cmd.Stderr = progress, progress
	// In a group of its own, so that ctx ends the compilers along with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 10 * time.Second
	stop := progress.tick()
	err = cmd.Run()
	stop()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("go build: %w", err), progress.words())
	}
	return nil
}
