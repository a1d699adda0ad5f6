package integration

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what commands print into the golden files of testdata; read the diff before you keep it")

// TestScripts plays each script of testdata, in the order of their names, on one clusterset of three: east,
// which is dual-stack, west and north, real API servers with kube-controller-managers, and the agents in this
// process. Package testscript says what a script is and which commands every script has; these are ours:
//
//	apply CLUSTER FILE...                    server-side apply of the YAML documents of the files, as kubectl
//	delete CLUSTER KIND/NAME                 delete; does not wait
//	patch CLUSTER KIND/NAME[/status] PATCH   merge patch in YAML or JSON, as kubectl edit
//	agent CLUSTER stop|start|restart [ARGUMENT...]   the agent, which is ready when start and restart return; ARGUMENT is
//	                                         a flag or NAME=value of its environment, until the script ends or it starts
//	                                         again; ! agent: it does not start, and why is printed
//	answers CLUSTER PATH [EXPR...]           wait until every EXPR holds of what the agent answers, such as /v1/status
//	metric CLUSTER NAME VALUE                wait until the agent shows it
//	xds CLUSTER HOST:PORT [ADDRESS...]       wait until xDS assigns just these; ! xds: until there is no listener
//	await CLUSTER KIND/NAME [EXPR...]        wait until the object exists and every EXPR holds
//	gone CLUSTER KIND[/NAME] [SELECTOR]      wait until no such object is left
//	event CLUSTER KIND/NAME REASON [TEXT]    wait for an Event about the object whose note contains TEXT
//	barrier                                  wait until every running agent has seen whatever was done before
//	tick                                     wait for the next second, in which what is made is younger
//	get CLUSTER KIND[/NAME] [SELECTOR] [PATH]   print objects as YAML, or what is at PATH; ! get: there is none
//	save CLUSTER KIND/NAME PATH VARIABLE     set a variable of the script to what is at PATH
//	dns CLUSTER NAME TYPE                    print what the agent's DNS answers, the code first
//	versions CLUSTER                         print UID and version of the exports and of all that the agent made
//	requests CLUSTER                         print what the agent asked of the API server since the last time
//
// CLUSTER is one, or several joined by commas, for which the command is then done one after the other, and
// what it prints has the cluster's name above; $ALL is all three. KIND is as kubectl takes it: svc,
// serviceimport, serviceexports.v1alpha1.multicluster.x-k8s.io. SELECTOR is a label selector, PATH a JSONPath
// in braces. EXPR is PATH=VALUE, PATH!=VALUE or PATH~=REGEXP, several values joined by a space, lists and
// objects in JSON; or a condition, such as Valid=False/NoService, which counts once its observedGeneration, if
// it has one, is the object's generation. What requests prints is about $NS alone, Events aside, sorted by what was asked for:
// "APPLY serviceimports/web/status 200".
//
// Every script has a namespace of its own, named like the script: $NS. It is made in all clusters beforehand,
// or in those of a line "# namespaces: east west" (or "none") in the comment that begins the script, and is
// deleted from all afterwards. That comment says what the script shows, and by "# rules: E4 #7" which rules it
// proves. In files of YAML $NS, $CLUSTER, its $NUMBER (1, 2, 3), and saved variables are put in.
//
// What differs from run to run is not printed, or by another name: of whole objects UIDs and versions are left
// out, a time is TIME, and an address that was saved is its variable.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, error %v", len(files), err)
	}
	st := setStage(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		t.Run(name, func(t *testing.T) { st.play(t, name, file) })
	}
}

// stage is the clusterset that the scripts share.
type stage struct {
	sites    []*site
	gates    *gates
	barriers int
}

func setStage(t *testing.T) *stage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	st := &stage{gates: &gates{t: t, byName: map[string]*gate{}}}
	set, err := clusterset.Start(ctx, clusterset.Config{
		Clusters:          []string{"east", "west", "north"},
		DualStack:         []string{"east"},
		ControllerManager: true,
		InProcess:         true,
		Options: func(cluster string, o *agent.Options) {
			o.Kubeconfig = st.gates.through(cluster, o.Kubeconfig)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set.Stop(); err != nil {
			t.Error(err)
		}
	})
	for i, m := range set.Members() {
		at, err := newSite(m, i+1)
		if err != nil {
			t.Fatal(err)
		}
		st.sites = append(st.sites, at)
		if err := at.createNamespace(ctx, barrierNamespace); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// names returns the clusters' names.
func (st *stage) names() []string {
	var names []string
	for _, at := range st.sites {
		names = append(names, at.Name)
	}
	return names
}

// play runs one script. A namespace takes Kubernetes seconds to delete, so the next script begins meanwhile:
// t goes on, to see the end of its own, when the others have run.
func (st *stage) play(t *testing.T, name, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	rules := heading(text, "rules")
	if len(rules) == 0 {
		t.Fatal(`no line "# rules: E4 #7" says which rules it proves`)
	}
	rule.Covers(t, rules...)
	if problems := validation.IsDNS1123Label(name); len(problems) > 0 {
		t.Fatalf("a script's name is a namespace's: %v", problems)
	}
	s := &scene{stage: st, t: t, ns: name, saved: map[string]string{}, away: map[*site]bool{}, told: map[*site]bool{}, asked: map[*site]bool{}}
	t.Cleanup(s.clear)
	s.enter(heading(text, "namespaces"))
	testscript.RunT(inline{t}, testscript.Params{
		Files:              []string{file},
		Setup:              s.setup,
		Cmds:               s.commands(),
		UpdateScripts:      *update,
		RequireUniqueNames: true,
	})
	s.leave()
	t.Parallel()
}

// heading returns the words behind "# key:" in the comment that begins a script.
func heading(script []byte, key string) []string {
	var words []string
	for lines := bufio.NewScanner(bytes.NewReader(script)); lines.Scan(); {
		comment, ok := strings.CutPrefix(lines.Text(), "#")
		if !ok {
			break
		}
		if rest, ok := strings.CutPrefix(strings.TrimSpace(comment), key+":"); ok {
			words = append(words, strings.Fields(rest)...)
		}
	}
	return words
}

func TestHeading(t *testing.T) {
	script := []byte("# Shows something.\n# rules: E4 #7\n#rules: I4\n\n# rules: E5\n")
	if got := heading(script, "rules"); !slices.Equal(got, []string{"E4", "#7", "I4"}) {
		t.Errorf("rules %q", got)
	}
	if got := heading(script, "namespaces"); got != nil {
		t.Errorf("namespaces %q, want none", got)
	}
}

// site returns the cluster of that name.
func (st *stage) site(name string) (*site, error) {
	for _, at := range st.sites {
		if at.Name == name {
			return at, nil
		}
	}
	return nil, fmt.Errorf("cluster %q: want one of %s", name, strings.Join(st.names(), ", "))
}
