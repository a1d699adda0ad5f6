package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hansa-mcs/hansa"

// listed is what these tests need of `go list -json`.
type listed struct {
	ImportPath string
	Dir        string
	Doc        string
	Name       string
	GoFiles    []string
	Imports    []string
}

// room returns the package's path below the module.
func (p listed) room() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Name,GoFiles,Imports", module+"/...")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var list []listed
	for d := json.NewDecoder(out); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(list) < 15 {
		t.Fatalf("go list names %d packages, want the whole house", len(list))
	}
	return list
}

// The rules are of what is built, not of tests: those may cross any arrow to set a scene.

// arrows say which other rooms of the house a room may import; what is not listed may import nothing of
// it. Rooms below one that ends in … share its row, unless they have their own.
var arrows = map[string][]string{
	"federation":                nil,
	"federation/federationtest": {"federation"},
	"federation/gossip":         {"federation"},
	"federation/stream":         {"federation", "federation/stream/wire"},
	"federation/stream/wire…":   nil,
	"federation/trust":          {"federation"},
	"federation/trust/enroll":   {"federation", "federation/trust"},
	"exporter":                  {"federation"},
	"importer":                  {"federation"},
	"importer/kube":             {"federation", "importer"},
	"importer/xds":              {"federation", "importer"},
	"dns":                       {"federation", "importer"},
	"charts":                    nil,
	"cmd…":                      {"…"},
	"cmd/hansa/complete":        {"cmd/hansa-agent/report", "cmd/hansa-agent/secrets", "cmd/hansa-agent/state", "federation/trust/enroll"},
	"cmd/hansa/exports":         {"cmd/hansa-agent/features", "exporter"},
	"cmd/hansa/install":         {"charts"},
	"cmd/hansa/link":            {"cmd/hansa-agent/features", "cmd/hansa-agent/secrets", "cmd/hansa-agent/state", "federation", "federation/trust…"},
	"cmd/hansa/preview":         {"cmd/hansa-agent/features", "cmd/hansa-agent/report", "exporter", "federation", "importer", "importer/kube"},
	"cmd/hansa/reach":           {"cmd/hansa-agent/election"},
	"cmd/hansa/tables":          {"cmd/hansa-agent/features", "cmd/hansa-agent/report", "cmd/hansa/preview"},
	"cmd/hansa-agent/features":  nil,
	"cmd/hansa-agent/report":    {"federation", "federation/stream", "importer"},
	"cmd/hansa-agent/secrets":   {"federation", "federation/trust…"},
	"integration…":              {"…"},
}

// doors say which room alone may know a foreign family of packages; cmd and integration wire and probe,
// so they may know all.
var doors = map[string][]string{
	"k8s.io/":                          {"exporter", "importer/kube"},
	"sigs.k8s.io/":                     {"exporter", "importer/kube"},
	"github.com/envoyproxy/":           {"importer/xds"},
	"github.com/miekg/dns":             {"dns"},
	"github.com/hashicorp/memberlist":  {"federation/gossip"},
	"github.com/fsnotify/":             {"federation/trust"},
	"google.golang.org/grpc":           {"federation/stream", "federation/stream/wire…", "importer/xds"},
	"google.golang.org/protobuf":       {"federation/stream", "federation/stream/wire…", "importer/xds"},
	"github.com/prometheus/":           nil,
	"github.com/spf13/":                nil,
	module + "/cmd/":                   nil,
	module + "/federation/stream/wire": {"federation/stream"},
}

// matches reports whether a room is the one of a row, or below it where the row ends in ….
func matches(row, room string) bool {
	prefix, below := strings.CutSuffix(row, "…")
	return room == prefix || below && (prefix == "" || strings.HasPrefix(room, prefix+"/"))
}

func TestImportArrowsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		row := ""
		for r := range arrows {
			if matches(r, p.room()) && len(r) > len(row) {
				row = r
			}
		}
		if row == "" {
			t.Errorf("%s has no row in arrows: say what it may import", p.room())
			continue
		}
		for _, imported := range p.Imports {
			other, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.ContainsFunc(arrows[row], func(allowed string) bool { return matches(allowed, other) }) {
				t.Errorf("%s imports %s", p.room(), other)
			}
		}
	}
}

func TestForeignTypesHaveOneDoor(t *testing.T) {
	for _, p := range packages(t) {
		if matches("cmd…", p.room()) || matches("integration…", p.room()) {
			continue
		}
		for _, imported := range p.Imports {
			for family, rooms := range doors {
				allowed := slices.ContainsFunc(rooms, func(r string) bool { return matches(r, p.room()) })
				if strings.HasPrefix(imported, family) && !allowed {
					t.Errorf("%s imports %s, whose door is %v", p.room(), imported, rooms)
				}
			}
		}
	}
}

// narrow are the doors of a foreign family that cmd and integration may not know everywhere either. A door is a room, or
// one file: helm's values' flags are the command's, and all else of helm is how it installs.
var narrow = map[string][]string{
	"helm.sh/": {"cmd/hansa/install", "cmd/hansa/release.go"},
}

func TestNarrowDoorsStayNarrow(t *testing.T) {
	for _, p := range packages(t) {
		for _, name := range p.GoFiles {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range parsed.Imports {
				imported := strings.Trim(spec.Path.Value, `"`)
				for family, allowed := range narrow {
					if strings.HasPrefix(imported, family) && !slices.Contains(allowed, p.room()) && !slices.Contains(allowed, p.room()+"/"+name) {
						t.Errorf("%s/%s imports %s, whose doors are %v", p.room(), name, imported, allowed)
					}
				}
			}
		}
	}
}

// federation and importer carry the meaning, and need nothing but the standard library for it.
func TestTheHeartImportsTheStandardLibraryAlone(t *testing.T) {
	for _, p := range packages(t) {
		if p.room() != "federation" && p.room() != "importer" {
			continue
		}
		for _, imported := range p.Imports {
			if strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") && imported != module+"/federation" {
				t.Errorf("%s imports %s", p.room(), imported)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if len(strings.Fields(p.Doc)) < 5 {
			t.Errorf("%s has no doc comment that says what it is: %q", p.ImportPath, p.Doc)
		}
	}
}

// A file that nobody reads whole hides things.
func TestFilesAreShort(t *testing.T) {
	const most = 400
	eachFile(t, func(path string, lines []string) {
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, ".pb.go") && len(lines) > most {
			t.Errorf("%s has %d lines, want at most %d", path, len(lines), most)
		}
	})
}

// A function that does not fit on a screen hides things too. Wiring may be one straight line.
func TestFunctionsAreShort(t *testing.T) {
	const most = 80
	eachFile(t, func(path string, _ []string) {
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, ".pb.go") || strings.HasSuffix(path, "_test.go") {
			return
		}
		files := token.NewFileSet()
		parsed, err := parser.ParseFile(files, filepath.Join("..", path), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if n := files.Position(f.End()).Line - files.Position(f.Pos()).Line + 1; n > most {
					t.Errorf("%s: %s has %d lines, want at most %d", path, f.Name.Name, n, most)
				}
			}
		}
	})
}

// eachFile calls see for every text file of the source tree that is not ignored.
func eachFile(t *testing.T, see func(path string, lines []string)) {
	t.Helper()
	root := ".."
	out, err := exec.Command("git", "-C", root, "ls-files", "-co", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("listing the tree: %v", err)
	}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		f, err := os.Open(filepath.Join(root, path))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 16<<20)
		for scanner.Scan() {
			lines = append(lines, scanner.Text())
		}
		_ = f.Close()
		if scanner.Err() == nil {
			see(path, lines)
		}
	}
}
