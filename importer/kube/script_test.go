package kube

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what Plan says into the golden files; read the diff before you keep it")

// TestPlan plays each file of testdata: sections in order, each a step. Exports, synced, families (of the
// cluster), self (this cluster's ID), fates (of clusters, as the importer has them: "b demoted"), refused (distributions, by the API server), taken (former addresses), refusal (of a write), pass
// (of time), edit and delete set the scene; changes is what Plan wants then, which the API server gets; rest
// repeats that until Plan wants nothing, which must come soon, after the last step too.
func TestPlan(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d golden files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			rule.CoversComment(t, archive.Comment)
			w := newWorld(t)
			for i := range archive.Files {
				w.step(&archive.Files[i])
			}
			w.settle()
			if !*update || t.Failed() {
				return
			}
			if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// world is one importing cluster and what it holds of web.
type world struct {
	t       testing.TB
	server  *server
	exports []*federation.Export
	synced  []string
	self    federation.ClusterID
	fates   map[federation.ClusterID]federation.Fate
	refused []string
	taken   []string // former addresses
	refusal string   // of a write
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{t: t, server: newServer(t, "IPv4"), synced: []string{"a", "b", "c", "own"}, self: "own"}
}

func (w *world) step(f *txtar.File) {
	w.t.Helper()
	text := strings.TrimSpace(string(f.Data))
	switch verb, _, _ := strings.Cut(f.Name, ":"); verb {
	case "exports":
		w.exports = parseExports(w.t, f.Data)
	case "synced":
		w.synced = strings.Fields(text)
	case "families":
		w.server.families = nil
		for family := range strings.FieldsSeq(text) {
			w.server.families = append(w.server.families, corev1.IPFamily(family))
		}
	case "self":
		w.self = federation.ClusterID(text)
	case "fates":
		w.fates = parseFates(w.t, text)
	case "refused":
		w.refused = strings.Fields(text)
	case "pass":
		d, err := time.ParseDuration(text)
		if err != nil {
			w.t.Fatal(err)
		}
		w.server.now = metav1.NewTime(w.server.now.Add(d))
	case "taken":
		w.taken = strings.Fields(text)
	case "refusal":
		w.refusal = text
	case "edit":
		w.server.edit(text)
	case "delete":
		if err := w.server.remove(text); err != nil {
			w.t.Fatal(err)
		}
	case "rest":
		w.settle()
	case "changes":
		got := showChanges(w.t, w.round())
		if got != string(f.Data) && !*update {
			w.t.Errorf("section %q: got\n%s\nwant\n%s", f.Name, got, f.Data)
		}
		f.Data = []byte(got)
	default:
		w.t.Fatalf("section %q: no such step", f.Name)
	}
}

// plan returns what Plan wants of the API server as it is.
func (w *world) plan() []Change {
	now := w.server.current()
	now.Taken, now.Refusal = w.taken, w.refusal
	return Plan(web, w.service(now), now, w.scene())
}

func (w *world) scene() Scene {
	return Scene{
		Self:    w.self,
		Known:   func(c federation.ClusterID) bool { return c != "ghost" },
		Synced:  func(c federation.ClusterID) bool { return slices.Contains(w.synced, string(c)) },
		Refused: func(distribution string) bool { return slices.Contains(w.refused, distribution) },
		Rest:    DefaultAddressRest,
		Now:     w.server.now.Time,
	}
}

// service is the View's: merged from the exports, with the addresses of the derived Service.
func (w *world) service(now Current) *importer.Service {
	if len(w.exports) == 0 {
		return nil
	}
	s := importer.Merge(w.exports)
	for _, e := range w.exports {
		s.Fates = append(s.Fates, w.fates[e.Cluster])
	}
	if s.Type == federation.ClusterSetIP && now.Derived != nil && ours(now.Derived) {
		s.IPs = slices.Clone(addresses(now.Derived))
	}
	s.Unsupported = !slices.ContainsFunc(s.IPFamilies, func(f federation.IPFamily) bool {
		return slices.Contains(w.server.families, corev1.IPFamily(f))
	})
	return s
}

// round plans once and lets the API server have it.
func (w *world) round() []Change {
	w.t.Helper()
	changes := w.plan()
	for _, c := range changes {
		w.server.write(c)
	}
	return changes
}

// settle proves that at most three rounds lead to where Plan wants nothing, and that no write was for nothing.
func (w *world) settle() {
	w.t.Helper()
	for range 3 {
		if len(w.round()) == 0 {
			break
		}
	}
	if left := w.plan(); len(left) > 0 {
		w.t.Errorf("after three rounds Plan still wants\n%s", showChanges(w.t, left))
	}
	if w.server.idle != nil {
		w.t.Errorf("written, though it changed nothing: %v", w.server.idle)
	}
}

// showChanges writes down changes with whole objects, but for what encoding/json adds to say nothing.
func showChanges(t testing.TB, changes []Change) string {
	t.Helper()
	if len(changes) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, c := range changes {
		fmt.Fprintf(&b, "# %s %s %s", c.Verb, kindOf(c.Object), c.Object.GetName())
		if c.First {
			b.WriteString(", which must not be there")
		}
		b.WriteString("\n")
		if c.Verb != Delete {
			b.WriteString(showObject(t, c))
		}
	}
	return b.String()
}

func showObject(t testing.TB, c Change) string {
	t.Helper()
	var o map[string]any
	switch c.Verb {
	case Patch, PatchStatus:
		difference, err := client.MergeFrom(c.Before).Data(c.Object)
		if err != nil {
			t.Fatal(err)
		}
		return string(difference) + "\n"
	case ApplyStatus:
		o = map[string]any{"status": encode(t, c.Object).Object["status"]}
	default:
		o = encode(t, c.Object).Object
		delete(o, "status")
	}
	text, err := yaml.Marshal(quiet(o))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// quiet takes off null, which says nothing.
func quiet(o map[string]any) map[string]any {
	for k, v := range o {
		if inner, ok := v.(map[string]any); ok {
			quiet(inner)
		}
		if v == nil {
			delete(o, k)
		}
	}
	return o
}
