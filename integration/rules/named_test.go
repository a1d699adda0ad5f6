package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/hansa-mcs/hansa/integration/rule"
)

// A test that names a rule which is not there would prove nothing, and only make rules would say so.
func TestEveryRuleThatATestNamesIsInTheRegistry(t *testing.T) {
	rules, err := ParseRegistry(registry)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range rules {
		known[r.ID] = true
	}
	kinds := map[string]int{} // how many are named in files of an extension
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if err == nil && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
				return fs.SkipDir
			}
			return err
		}
		named, err := namedIn(path)
		for _, n := range named {
			kinds[filepath.Ext(path)]++
			if !known[n.id] {
				t.Errorf("%s names rule %q, which is not in integration/rules/rules.txt", n.where, n.id)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if kinds[".go"] < 50 || kinds[".txtar"] < 50 {
		t.Errorf("rules named: %v, want those of the whole tree", kinds)
	}
}

// mention is one ID that a test names.
type mention struct{ id, where string }

// namedIn returns the rules that a file names: Go tests by rule.Covers, files of testdata in their comment.
func namedIn(path string) ([]mention, error) {
	switch {
	case strings.HasSuffix(path, "_test.go"):
		return coveredIn(path, nil)
	case strings.HasSuffix(path, ".txtar"):
		archive, err := txtar.ParseFile(path)
		if err != nil {
			return nil, err
		}
		var all []mention
		for _, id := range rule.Named(archive.Comment) {
			all = append(all, mention{id, path})
		}
		return all, nil
	}
	return nil, nil
}

// coveredIn returns the IDs that calls of rule.Covers spell out, in a Go file or in the source if there is one.
func coveredIn(path string, source any) ([]mention, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var all []mention
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || !isCovers(call.Fun) {
			return true
		}
		for _, arg := range call.Args {
			if text, ok := arg.(*ast.BasicLit); ok && text.Kind == token.STRING {
				id, _ := strconv.Unquote(text.Value) // the parser has read it
				all = append(all, mention{id, files.Position(arg.Pos()).String()})
			}
		}
		return true
	})
	return all, nil
}

// isCovers reports whether a call is one of rule.Covers.
func isCovers(function ast.Expr) bool {
	f, ok := function.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != "Covers" {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	return ok && from.Name == "rule"
}

func TestRulesAreFoundWhereTheyAreNamed(t *testing.T) {
	source := "package p\nfunc f() {\n\trule.Covers(t, \"E4\", id,\n\t\t`#7`)\n\tother.Covers(t, \"X\")\n\trule.Other(\"Y\")\n}\n"
	got, err := coveredIn("p_test.go", source)
	if err != nil || fmt.Sprint(got) != "[{E4 p_test.go:3:17} {#7 p_test.go:4:3}]" {
		t.Errorf("found %v (%v)", got, err)
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string]struct{ kube, says, err string }{
		"":            {},
		"-kube 1.33":  {kube: "1.33"},
		"-kube":       {says: "flag needs an argument: -kube", err: "flag needs an argument: -kube"},
		"E4":          {says: `unexpected "E4": want no argument but -kube MINOR`, err: "unexpected argument"},
		"-kube 1 E4":  {says: `unexpected "E4"`, err: "unexpected argument"},
		"-v":          {says: "not defined: -v", err: "flag provided but not defined: -v"},
		"-h":          {says: "minutes", err: "flag: help requested"},
		"--help":      {says: "Runs the tests", err: "flag: help requested"},
		"-kube= -- x": {says: `unexpected "x"`, err: "unexpected argument"},
	} {
		var out strings.Builder
		kube, err := arguments(strings.Fields(line), &out)
		said := ""
		if err != nil {
			said = err.Error()
		}
		if kube != want.kube || said != want.err || !strings.Contains(out.String(), want.says) || (want.says == "") != (out.Len() == 0) {
			t.Errorf("%q: kube %q, error %v, printed\n%s", line, kube, err, &out)
		}
	}
}
