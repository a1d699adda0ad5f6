package importer

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/federationtest"
	"github.com/hansa-mcs/hansa/integration/rule"
)

var update = flag.Bool("update", false, "write what Merge concludes into testdata; read the difference before it is kept")

// Each file of testdata shows one rule of KEP-1645, "Constraints and Conflict Resolution", or one
// decision where it is silent: the exports, and all that is concluded from them (C5, checklist 16, 17,
// 19, 20, 22, 23, 25).
func TestMergeConcludesByTheRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { golden(t, file) })
	}
}

func golden(t *testing.T, file string) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(archive.Files) != 2 || archive.Files[0].Name != "exports" || archive.Files[1].Name != "service" {
		t.Fatal("want two parts: exports, service")
	}
	rule.CoversComment(t, archive.Comment)
	exports, err := readExports(string(archive.Files[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	got := []byte(printService(Merge(byCluster(exports))))
	if *update {
		archive.Files[1].Data = got
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want := archive.Files[1].Data; !bytes.Equal(got, want) {
		t.Errorf("concluded:\n%s\nwant:\n%s", got, want)
	}
}

// byCluster brings exports into a Store in their order, and returns them as the Store gives them.
func byCluster(exports []*federation.Export) []*federation.Export {
	store := federation.NewStore("own")
	for _, e := range exports {
		if err := federationtest.Say(store, e.Cluster, federation.Version{Term: 1, Seq: 1}, e); err != nil {
			panic(err)
		}
	}
	return store.Exports(shopWeb)
}
