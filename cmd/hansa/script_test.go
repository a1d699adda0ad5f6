package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// TestMain lets scripts run this program as hansa.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hansa": main})
}

var update = flag.Bool("update", false, "write what the scripts of testdata compare by cmpout as it is")

// TestScripts plays each script of testdata with the real programs, on real API servers: hansa, and agents as processes. Each
// script has control planes of its own, whose contexts are those that its line "# clusters:" names, else east, west and
// north. Beside those of testscript there are these commands:
//
//	agent CLUSTER DIR [FLAG...]   start the agent of a cluster with the files of DIR, and wait until it announces; its
//	                              address is $EAST, $WEST or $NORTH, and where it reports $EAST_AGENT, …; with ! do
//	                              not wait
//	halt CLUSTER                  end it
//	exits STATUS COMMAND...       run what ends with an exit status
//	await REGEXP COMMAND...       run again and again what asks an agent, until it prints that
//	interrupt REGEXP COMMAND...   interrupt what goes on by itself once it has printed that; it has to end well, and what
//	                              it printed is the file printed
//	client CLUSTER ID [NAME...]   connect to the xDS of an agent, and take the assignments of these names; those that
//	                              follow the word refuses are refused
//	listen VARIABLE               set a variable to the address of an HTTP server, which is no agent
//	token VARIABLE                set a variable to the token in what was printed last
//	id VARIABLE                   set a variable to the ID of a token in what was printed last
//	forge VARIABLE TOKEN          set a variable to that token with another secret
//	expire VARIABLE               let the token of that ID expire, in context east
//	cmpout stdout|stderr FILE     compare all that was printed last with a file
//	says stdout|stderr LINE       compare all that was printed last with one line
//
// In what is compared, words in capitals stand for what differs from run to run; see the function stable.
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
			"agent": startAgent, "halt": haltAgent, "exits": exits, "await": await, "interrupt": interrupt, "listen": listen,
			"token": saveToken, "id": saveID, "forge": forge, "expire": expire, "cmpout": compare, "says": says, "client": connectClient,
		},
	})
}

// setUp gives a script its control planes, and addresses for their agents.
func setUp(t *testing.T, env *testscript.Env, agent string) error {
	s := &scene{agent: agent, agents: map[string]*process{}, printed: map[string]string{}}
	env.Values["scene"] = s
	name := env.T().(interface{ Name() string }).Name()
	s.script = filepath.Join("testdata", filepath.Base(name)+".txtar")
	env.Defer(func() {
		if err := s.rewrite(); err != nil {
			t.Error(err)
		}
	})
	var err error
	if s.all, err = s.clusters(); err != nil || len(s.all) == 0 {
		return err
	}
	l, err := lab.Start(t.Context(), lab.Config{Clusters: s.all, Output: t.Output()})
	if err != nil {
		return err
	}
	env.Defer(func() {
		if err := l.Stop(); err != nil {
			t.Error(err)
		}
	})
	env.Defer(func() { // before the lab is
		for cluster := range s.agents {
			s.stop(cluster)
		}
	})
	env.Setenv("KUBECONFIG", l.Kubeconfig())
	env.Setenv("PATH", filepath.Dir(l.Kubectl())+string(filepath.ListSeparator)+env.Getenv("PATH"))
	for _, cluster := range s.all {
		for _, suffix := range []string{"", "_AGENT"} {
			address, err := lab.FreeAddress()
			if err != nil {
				return err
			}
			env.Setenv(strings.ToUpper(cluster)+suffix, address)
		}
	}
	return nil
}

// clusters returns those that the script names.
func (s *scene) clusters() ([]string, error) {
	text, err := os.ReadFile(s.script)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if list, ok := strings.CutPrefix(line, "# clusters:"); ok {
			return strings.Fields(strings.TrimSuffix(strings.TrimSpace(list), "none")), nil
		}
	}
	return []string{"east", "west", "north"}, nil
}
