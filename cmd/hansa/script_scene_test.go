package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// scene is what a script has beside its files.
type scene struct {
	script  string   // its file
	agent   string   // the program
	all     []string // its clusters
	agents  map[string]*process
	printed map[string]string // what was compared, by the file that it was compared with
	said    []string          // as lines that say so, in their order
	ended   []int             // exit statuses, in their order
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value("scene").(*scene) }

// patience is how long a script waits for what has to come.
const patience = time.Minute

func startAgent(ts *testscript.TestScript, not bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: [!] agent CLUSTER DIR [FLAG...]")
	}
	s, cluster, dir := sceneOf(ts), args[0], ts.MkAbs(args[1])
	log := newLog("msg=announced")
	address := ts.Getenv(strings.ToUpper(cluster))
	flags := []string{
		"--cluster=" + cluster, "--clusterset=acme", "--kubeconfig=" + ts.Getenv("KUBECONFIG"), "--context=" + cluster,
		"--listen=" + address, "--http-address=" + ts.Getenv(strings.ToUpper(cluster)+"_AGENT"), "--dns-address=", "--xds-address=", "--install-crds",
		"--tls-cert-file=" + filepath.Join(dir, "tls.crt"), "--tls-key-file=" + filepath.Join(dir, "tls.key"), "--tls-ca-file=" + filepath.Join(dir, "ca.crt"),
	}
	p, err := start(exec.Command(s.agent, append(flags, args[2:]...)...), log, log)
	ts.Check(err)
	s.agents[cluster] = p
	if !not && !p.says(log) {
		ts.Fatalf("the agent of %s announces nothing:\n%s", cluster, log)
	}
}

func haltAgent(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("usage: halt CLUSTER")
	}
	sceneOf(ts).stop(args[0])
}

func (s *scene) stop(cluster string) {
	if p := s.agents[cluster]; p != nil {
		delete(s.agents, cluster)
		_ = p.interrupt()
	}
}

// process is one that runs beside the script. Whoever started it has to interrupt it.
type process struct {
	*exec.Cmd
	ended chan struct{}
	err   error // after ended
}

func start(cmd *exec.Cmd, out, bad *log) (*process, error) {
	p := &process{Cmd: cmd, ended: make(chan struct{})}
	p.Stdout, p.Stderr = out, bad
	if err := p.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = p.Wait()
	}()
	return p, nil
}

// interrupt ends it, and returns how it ended.
func (p *process) interrupt() error {
	_ = p.Process.Signal(os.Interrupt)
	<-p.ended
	return p.err
}

// says reports whether it says what is waited for.
func (p *process) says(l *log) bool {
	select {
	case <-l.said:
		return true
	case <-p.ended:
	case <-time.After(patience):
	}
	return false
}

// log is what a process says. It closes said once that matches until.
type log struct {
	until *regexp.Regexp
	said  chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	done bool
}

func newLog(until string) *log {
	return &log{until: regexp.MustCompile(until), said: make(chan struct{})}
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(b)
	if !l.done && l.until.Match(l.text.Bytes()) {
		l.done = true
		close(l.said)
	}
	return n, err
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func exits(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got, err := statusOf(ts.Exec(args[1], args[2:]...))
	ts.Check(err)
	if *update {
		sceneOf(ts).ended = append(sceneOf(ts).ended, got)
		return
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// statusOf returns the exit status of a command that was run.
func statusOf(err error) (int, error) {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// await asks again and again: what agents report can be asked for, and not be watched.
func await(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND...")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	for end := time.Now().Add(patience); ; {
		_, err := statusOf(ts.Exec(args[1], args[2:]...))
		ts.Check(err)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("not within %s", patience)
		}
	}
}

func interrupt(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("usage: interrupt REGEXP COMMAND...")
	}
	out, bad := newLog("(?sm)"+args[0]), newLog("\n")
	program, err := lookPath(ts, args[1])
	ts.Check(err)
	cmd := exec.Command(program, args[2:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+ts.Getenv("KUBECONFIG"), "HOME="+ts.Getenv("HOME"))
	p, err := start(cmd, out, bad)
	ts.Check(err)
	said := p.says(out)
	if err := p.interrupt(); err != nil || !said || bad.String() != "" {
		ts.Fatalf("ended with %v; it printed\n%s%s", err, out, bad)
	}
	ts.Check(os.WriteFile(ts.MkAbs("printed"), []byte(out.String()), 0o600))
}

// lookPath finds a program where the script would.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

func listen(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("usage: listen VARIABLE")
	}
	server := httptest.NewServer(http.NotFoundHandler())
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.Listener.Addr().String())
}
