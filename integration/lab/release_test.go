package lab

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newSources is a directory that looks like lab/kube with an older release besides.
func newSources(t *testing.T) string {
	t.Helper()
	source := newSource(t).source
	write(t, filepath.Join(source, "go-1.1.mod"), "module m\n\nrequire k8s.io/kubernetes v1.1.13\n")
	write(t, filepath.Join(source, "go-1.1.sum"), "")
	return source
}

func TestChooseReleaseByItsMinor(t *testing.T) {
	source := newSources(t)
	for minor, want := range map[string]release{
		"":    {source, "go.mod", "v1.2.3"},
		"1.2": {source, "go.mod", "v1.2.3"},
		"1.1": {source, "go-1.1.mod", "v1.1.13"},
	} {
		if got, err := chooseRelease(source, minor); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", minor, got, err, want)
		}
	}
}

func TestChooseReleaseThatIsNotThereSaysWhatIs(t *testing.T) {
	source := newSources(t)
	for _, minor := range []string{"1.3", "v1.2", "1", "1.1.13", "../1.1"} {
		want := `HANSA_LAB_KUBE: the lab has no Kubernetes "` + minor + `", expected one of 1.2, 1.1, or nothing for the first of them`
		if _, err := chooseRelease(source, minor); err == nil || err.Error() != want {
			t.Errorf("err = %v, want %s", err, want)
		}
	}
}

func TestChooseReleaseNamesAModfileWithoutKubernetes(t *testing.T) {
	source := newSources(t)
	write(t, filepath.Join(source, "go-1.0.mod"), "module m\n")
	if _, err := chooseRelease(source, ""); err == nil || !strings.Contains(err.Error(), "go-1.0.mod does not require k8s.io/kubernetes") {
		t.Errorf("err = %v", err)
	}
}

func TestBuildFollowsTheVariable(t *testing.T) {
	t.Setenv(KubeVariable, "0.9")
	_, err := Build(t.Context(), io.Discard, true)
	if err == nil || !strings.Contains(err.Error(), `HANSA_LAB_KUBE: the lab has no Kubernetes "0.9", expected one of 1.`) {
		t.Errorf("err = %v", err)
	}
}

func TestEachReleaseHasAPlaceThatOnlyItsOwnFilesChange(t *testing.T) {
	source, cache := newSources(t), t.TempDir()
	place := func(minor string) string {
		kube, err := chooseRelease(source, minor)
		if err != nil {
			t.Fatal(err)
		}
		binary, err := builder{cache, kube.program(""), (&compileOnce{t: t}).compile}.build(t.Context(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if built, err := os.ReadFile(binary); err != nil || string(built) != kube.version {
			t.Errorf("built %q, %v, want %s", built, err, kube.version)
		}
		return binary
	}
	for file, changes := range map[string][2]bool{
		"go.sum": {true, false}, "go-1.1.mod": {false, true}, "go-1.1.sum": {false, true}, "main.go": {true, true},
	} {
		before := [2]string{place("1.2"), place("1.1")}
		if before[0] == before[1] {
			t.Errorf("both releases are at %s", before[0])
		}
		content, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(source, file), string(content)+"// changed\n")
		after := [2]string{place("1.2"), place("1.1")}
		if got := [2]bool{before[0] != after[0], before[1] != after[1]}; got != changes {
			t.Errorf("%s changed: 1.2 and 1.1 are built anew: %v, want %v", file, got, changes)
		}
	}
}

// The names of modfiles are what people are told to choose from.
func TestModfilesAreNamedByTheirKubernetes(t *testing.T) {
	source, err := FindSource("kube")
	if err != nil {
		t.Fatal(err)
	}
	all, err := releases(source)
	if err != nil {
		t.Fatal(err)
	}
	for _, older := range all[1:] {
		if want := "go-" + older.minor() + ".mod"; older.modfile != want {
			t.Errorf("%s is of Kubernetes %s, want it named %s", older.modfile, older.version, want)
		}
		if older.minor() == all[0].minor() {
			t.Errorf("%s is of the newest Kubernetes, %s, as well", older.modfile, all[0].version)
		}
	}
}

func TestTagsSayTheReleaseToo(t *testing.T) {
	kube := release{"", "go-1.33.mod", "v1.33.13"}
	if got := strings.Join(tags(kube, ""), ","); got != "kube1.33" {
		t.Errorf("got %q", got)
	}
	if got := strings.Join(tags(kube, managerTag), ","); got != "kube1.33,manager" {
		t.Errorf("got %q", got)
	}
}
