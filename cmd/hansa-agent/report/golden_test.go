package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what is answered into testdata; read the difference before it is kept")

// Each file of testdata tells what happened to a clusterset, and what an agent of cluster east says then.
func TestAnswersSayWhatIsSo(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { golden(t, file) })
		})
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) < 2 || archive.Files[0].Name != "story" {
		t.Fatal("want a story, and at least one answer")
	}
	rule.CoversComment(t, archive.Comment)
	scene := tell(t, "east", string(archive.Files[0].Data))
	for i, f := range archive.Files[1:] {
		got := answerOf(t, f.Name, scene)
		if *update {
			archive.Files[i+1].Data = got
		} else if !bytes.Equal(got, f.Data) {
			t.Errorf("%s:\n%s\nwant:\n%s", f.Name, got, f.Data)
		}
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// answerOf returns an answer as it goes out, on several lines.
func answerOf(t *testing.T, name string, scene *Scene) []byte {
	var answer any
	var err error
	switch what, of, _ := strings.Cut(name, " "); what {
	case "status":
		status := scene.Status()
		if status.Imported.Revision != scene.View.Revision {
			t.Errorf("revision %d, want %d", status.Imported.Revision, scene.View.Revision)
		}
		status.Imported.Revision = 0 // how many Views there were is chance: one may show several changes
		answer = status
	case "clusters":
		answer = scene.Clusters()
	case "features":
		answer = scene.Features()
	case "services":
		answer = scene.Services(Query{Namespace: of})
	case "endpoints":
		answer = scene.Endpoints(Query{Namespace: of})
	case "explain":
		answer = scene.Explain(parseName(of))
	case "clients":
		answer, err = scene.XDSClients(XDSQuery{Client: of})
	case "resources":
		answer, err = scene.XDSResources(parseXDS(t, of))
	case "summary": // the words alone
		return []byte(summary(scene, parseName(of)))
	default:
		t.Fatalf("unknown answer %q", name)
	}
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	text, err := json.MarshalIndent(answer, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(text, '\n')
}

func summary(scene *Scene, of federation.ServiceName) string {
	var b strings.Builder
	status := scene.Status()
	fmt.Fprintf(&b, "%s\n", status.Verdict)
	for _, p := range status.Problems {
		fmt.Fprintf(&b, "- %s\n", p)
	}
	if of.Name == "" {
		return b.String()
	}
	x := scene.Explain(of)
	fmt.Fprintf(&b, "%s: %s: %s\n", of, x.Verdict, x.Summary)
	for _, e := range x.Exports {
		fmt.Fprintf(&b, "%s %s %s: %s\n", e.Cluster, e.State, e.Fate, e.Why)
	}
	for _, c := range x.Conflicts {
		fmt.Fprintf(&b, "%s: %s\n", c.Reason, c.Message)
		for _, o := range c.Opinions {
			fmt.Fprintf(&b, "  %s %q differs=%t\n", o.Cluster, o.Value, o.Differs)
		}
	}
	for _, ep := range x.Endpoints {
		fmt.Fprintf(&b, "  %s %s %s: %s\n", ep.Cluster, ep.Address, ep.Served, ep.Why)
	}
	for _, a := range x.Acknowledgements {
		fmt.Fprintf(&b, "%s sees=%t has=%t: %s\n", a.Cluster, a.Sees, a.Acknowledged, a.Why)
	}
	return b.String()
}
