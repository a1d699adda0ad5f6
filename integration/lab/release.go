package lab

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// KubeVariable is the environment variable that chooses the Kubernetes of every
// lab by its minor, as in 1.33. Without it, or empty, labs are of the newest that
// there is. The process that has it and those that it starts follow it.
const KubeVariable = "HANSA_LAB_KUBE"

// release is one Kubernetes that the module in source can be built of.
type release struct {
	source  string
	modfile string // its go.mod, by name.
	version string
}

// chooseRelease finds the release of a minor; an empty one means the newest.
func chooseRelease(source, minor string) (release, error) {
	all, err := releases(source)
	if err != nil {
		return release{}, fmt.Errorf("read which Kubernetes the control plane can be built of: %w", err)
	}
	if minor == "" {
		return all[0], nil
	}
	var minors []string
	for _, r := range all {
		if r.minor() == minor {
			return r, nil
		}
		minors = append(minors, r.minor())
	}
	return release{}, fmt.Errorf("%s: the lab has no Kubernetes %q, expected one of %s, or nothing for the first of them",
		KubeVariable, minor, strings.Join(minors, ", "))
}

// releases are those that source has modfiles of: go.mod, which is the newest's,
// and go-<minor>.mod.
func releases(source string) ([]release, error) {
	modfiles, err := filepath.Glob(filepath.Join(source, "go-*.mod"))
	if err != nil {
		return nil, err
	}
	var all []release
	for _, path := range slices.Insert(modfiles, 0, filepath.Join(source, "go.mod")) {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		version := requiredVersion(content, "k8s.io/kubernetes")
		if version == "" {
			return nil, fmt.Errorf("%s does not require k8s.io/kubernetes", path)
		}
		all = append(all, release{source, filepath.Base(path), version})
	}
	return all, nil
}

// minor is the release's version without its patch.
func (r release) minor() string {
	numbers := strings.Split(strings.TrimPrefix(r.version, "v"), ".")
	return strings.Join(numbers[:min(2, len(numbers))], ".")
}

// key differs when any file that the release is built from differs.
func (r release) key() (string, error) {
	files, err := filepath.Glob(filepath.Join(r.source, "*.go"))
	if err != nil {
		return "", err
	}
	sums := strings.TrimSuffix(r.modfile, ".mod") + ".sum" // where the go command looks for them.
	files = append(files, filepath.Join(r.source, r.modfile), filepath.Join(r.source, sums))
	slices.Sort(files)
	hash := sha256.New()
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%s %d\n%s", filepath.Base(file), len(content), content)
	}
	return fmt.Sprintf("%.6x", hash.Sum(nil)), nil
}

// requiredVersion is the version of a module in a go.mod, or empty.
func requiredVersion(gomod []byte, path string) string {
	for line := range bytes.Lines(gomod) {
		fields := strings.Fields(strings.TrimPrefix(string(line), "require "))
		if len(fields) >= 2 && fields[0] == path && strings.HasPrefix(fields[1], "v") {
			return fields[1]
		}
	}
	return ""
}
