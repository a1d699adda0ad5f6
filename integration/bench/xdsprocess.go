package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
)

// process is this command, started once more, that answers each line with one. Its CPU and its memory are nobody else's.
type process struct {
	peers
	cmd *exec.Cmd
	end io.Closer // of its standard input, which ends it
}

// startProcess starts the command as one of those that obey, and decodes what it says when it is ready into greeting.
func startProcess(ctx context.Context, b *bench, kind string, what, greeting any) (*process, error) {
	return launch(ctx, b, nil, kind, what, greeting)
}

// startFar is startProcess for what stands for other machines: it takes of this one what the others leave.
func startFar(ctx context.Context, b *bench, kind string, what, greeting any) (*process, error) {
	return launch(ctx, b, []string{"nice", "-n", "10"}, kind, what, greeting)
}

// launch runs the command under another one, which becomes it.
func launch(ctx context.Context, b *bench, under []string, kind string, what, greeting any) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(what)
	if err != nil {
		return nil, err
	}
	args := append(under, self, kind, string(text))
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = b.progress
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", kind, err)
	}
	p := &process{peers: peers{json.NewEncoder(in), bufio.NewReader(out)}, cmd: cmd, end: in}
	if err := p.ask("begin", greeting); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return p, nil
}

// stop ends the process and waits for it.
func (p *process) stop() error { return errors.Join(p.end.Close(), p.cmd.Wait()) }

// parseTask reads what a process was started for.
func parseTask(args []string, what any) error {
	if len(args) != 1 {
		return fmt.Errorf("want 1 argument, got %d", len(args))
	}
	return json.Unmarshal([]byte(args[0]), what)
}

// answer is the other end of a process: it answers each line of standard input until that ends.
func answer(ctx context.Context, do func(ctx context.Context, what string) (any, error)) error {
	lines, answers := bufio.NewScanner(os.Stdin), json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var what string
		if err := json.Unmarshal(lines.Bytes(), &what); err != nil {
			return err
		}
		said, err := do(ctx, what)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if err := answers.Encode(said); err != nil {
			return err
		}
	}
	return lines.Err()
}
