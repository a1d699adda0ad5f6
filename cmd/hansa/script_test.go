package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// TestMain lets scripts run this program as hansa.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hansa": main})
}

// TestScripts plays each script of testdata with the real programs, on real API servers: hansa, and agents as processes. Each
// script has control planes of its own, whose contexts are east, west and north, and these commands:
//
//	agent CLUSTER DIR [FLAG...]   start the agent of a cluster with the files of DIR, and wait until it is ready; its
//	                              address is $EAST, $WEST or $NORTH, and where it reports $EAST_AGENT, …
//	stop CLUSTER                  end it
//	token VARIABLE                set a variable to the token in what was printed last
//
// In what is compared a token is TOKEN, its ID ID, and a time TIME.
func TestScripts(t *testing.T) {
	if _, err := lab.Build(t.Context(), t.Output(), false); err != nil {
		t.Fatal(err)
	}
	agent := filepath.Join(t.TempDir(), "hansa-agent")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", agent, "../hansa-agent")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the agent: %v\n%s", err, out)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata",
		Setup: func(env *testscript.Env) error { return setUp(t, env, agent) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"agent": startAgent, "stop": stopAgent, "token": saveToken, "cmpout": compare,
		},
	})
}

var clusters = []string{"east", "west", "north"}

// scene is what a script has beside its files.
type scene struct {
	agent  string
	agents map[string]*exec.Cmd
}

func setUp(t *testing.T, env *testscript.Env, agent string) error {
	l, err := lab.Start(t.Context(), lab.Config{Clusters: clusters, Output: t.Output()})
	if err != nil {
		return err
	}
	s := &scene{agent: agent, agents: map[string]*exec.Cmd{}}
	env.Values["scene"] = s
	env.Defer(func() {
		for cluster := range s.agents {
			s.stop(cluster)
		}
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	env.Setenv("KUBECONFIG", l.Kubeconfig())
	env.Setenv("PATH", filepath.Dir(l.Kubectl())+string(filepath.ListSeparator)+env.Getenv("PATH"))
	for _, cluster := range clusters {
		free, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		report, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		env.Setenv(strings.ToUpper(cluster), free.Addr().String())
		env.Setenv(strings.ToUpper(cluster)+"_AGENT", report.Addr().String())
		if err := errors.Join(free.Close(), report.Close()); err != nil {
			return err
		}
	}
	return nil
}

func sceneOf(ts *testscript.TestScript) *scene { return ts.Value("scene").(*scene) }

func startAgent(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("usage: agent CLUSTER DIR [FLAG...]")
	}
	s, cluster, dir := sceneOf(ts), args[0], ts.MkAbs(args[1])
	log := &log{until: "msg=announced", said: make(chan struct{})}
	address := ts.Getenv(strings.ToUpper(cluster))
	flags := []string{
		"--cluster=" + cluster, "--clusterset=acme", "--kubeconfig=" + ts.Getenv("KUBECONFIG"), "--context=" + cluster,
		"--listen=" + address, "--http-address=" + ts.Getenv(strings.ToUpper(cluster)+"_AGENT"), "--dns-address=", "--xds-address=", "--install-crds",
		"--tls-cert-file=" + filepath.Join(dir, "tls.crt"), "--tls-key-file=" + filepath.Join(dir, "tls.key"), "--tls-ca-file=" + filepath.Join(dir, "ca.crt"),
	}
	process := exec.Command(s.agent, append(flags, args[2:]...)...)
	process.Stdout, process.Stderr = log, log
	ts.Check(process.Start())
	s.agents[cluster] = process
	select {
	case <-log.said:
	case <-time.After(30 * time.Second):
		ts.Fatalf("the agent of %s announces nothing:\n%s", cluster, log)
	}
}

// log is what an agent says. It closes said once that contains until.
type log struct {
	until string
	said  chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	done bool
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, err := l.text.Write(b)
	if !l.done && bytes.Contains(l.text.Bytes(), []byte(l.until)) {
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

func stopAgent(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("usage: stop CLUSTER")
	}
	sceneOf(ts).stop(args[0])
}

func (s *scene) stop(cluster string) {
	process := s.agents[cluster]
	delete(s.agents, cluster)
	if process != nil {
		_ = process.Process.Signal(os.Interrupt)
		_ = process.Wait()
	}
}

var (
	aToken = regexp.MustCompile(`hansa1\.[A-Za-z0-9_-]+`)
	anID   = regexp.MustCompile(`\b[0-9a-f]{16}\b`)
	aTime  = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
)

func saveToken(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 1 {
		ts.Fatalf("usage: token VARIABLE")
	}
	text := aToken.FindString(ts.ReadFile("stdout"))
	if text == "" {
		ts.Fatalf("no token was printed")
	}
	ts.Setenv(args[0], text)
}

// compare is cmp of what was printed, stdout or stderr, with a file, but for what differs from run to run.
func compare(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		ts.Fatalf("usage: cmpout stdout|stderr FILE")
	}
	text := ts.ReadFile(args[0])
	text = aToken.ReplaceAllString(text, "TOKEN")
	text = anID.ReplaceAllString(text, "ID")
	text = aTime.ReplaceAllString(text, "TIME")
	for _, cluster := range clusters {
		if address := ts.Getenv(strings.ToUpper(cluster)); address != "" {
			text = strings.ReplaceAll(text, address, strings.ToUpper(cluster))
		}
	}
	text = strings.ReplaceAll(text, ts.Getenv("WORK"), "WORK")
	if want := ts.ReadFile(args[1]); text != want {
		ts.Fatalf("%s is\n%swant\n%s", args[0], text, want)
	}
}
