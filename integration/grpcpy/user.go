package grpcpy

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

//go:embed user.py
var program string

// callFor is how long a call may take whose context has no limit.
const callFor = time.Minute

// grace is how long an application may take to end.
const grace = 5 * time.Second

// User is an application with a channel to a target. Its calls may come from any goroutine, and are made one after
// another.
type User struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan answer // closes when the application ended
	stop    func() error

	mu     sync.Mutex
	number int // of the latest call
}

// answer is a line of the application.
type answer struct {
	number int
	said   string
}

// Start runs an application that dials target, of which it learns as the bootstrap says; what gRPC tells on its own is
// written to log. The caller must call Stop; without the calling process it ends, too, after its call.
func (p Python) Start(bootstrap []byte, target string, log io.Writer) (*User, error) {
	u := &User{answers: make(chan answer)}
	u.cmd = exec.Command(p.interpreter, "-c", program, target)
	u.cmd.Env = []string{"PYTHONPATH=" + p.packages, "GRPC_XDS_BOOTSTRAP_CONFIG=" + string(bootstrap)}
	u.cmd.Stderr = log
	var err error
	if u.in, err = u.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := u.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := u.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a gRPC application in Python: %w", err)
	}
	stopped := make(chan struct{})
	var reading sync.WaitGroup
	reading.Go(func() { u.read(out, stopped) })
	u.stop = sync.OnceValue(func() error {
		close(stopped)
		kill := time.AfterFunc(grace, func() { _ = u.cmd.Process.Kill() })
		defer kill.Stop()
		err := u.in.Close() // by which it ends
		reading.Wait()
		return errors.Join(err, u.cmd.Wait())
	})
	return u, nil
}

// read hands on what the application says until that ends or nobody wants to hear it any more.
func (u *User) read(out io.Reader, stopped <-chan struct{}) {
	defer close(u.answers)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		number, said, _ := strings.Cut(lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			continue
		}
		select {
		case u.answers <- answer{n, said}:
		case <-stopped:
		}
	}
}

// Call returns the name of the backend that answered one request, or an error at once when there is none. It waits while
// the channel connects.
func (u *User) Call(ctx context.Context) (string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	limit := callFor
	if until, ok := ctx.Deadline(); ok {
		limit = time.Until(until)
	}
	u.number++
	if _, err := fmt.Fprintf(u.in, "%d %.3f\n", u.number, max(limit, 0).Seconds()); err != nil {
		return "", fmt.Errorf("ask a gRPC application in Python: %w", err)
	}
	for {
		select {
		case a, ok := <-u.answers:
			if !ok {
				return "", errors.New("the gRPC application in Python ended")
			}
			if a.number == u.number {
				return a.name()
			}
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

// name is the backend's that answered, or what gRPC says instead.
func (a answer) name() (string, error) {
	body, ok := strings.CutPrefix(a.said, "ok ")
	if !ok {
		return "", errors.New(strings.TrimPrefix(a.said, "error "))
	}
	text, err := hex.DecodeString(body)
	if err != nil {
		return "", err
	}
	var response testpb.SimpleResponse
	if err := proto.Unmarshal(text, &response); err != nil {
		return "", err
	}
	return response.GetServerId(), nil
}

// Stop ends the application and waits for it. Calling it again returns the same.
func (u *User) Stop() error { return u.stop() }
