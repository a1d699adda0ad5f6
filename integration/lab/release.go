package lab

import (
	"bytes"
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
		version := RequiredVersion(content, "k8s.io/kubernetes")
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

// program is the release's binary, with a build tag if there is one.
func (r release) program(tag string) Program {
	return Program{
		Name:   "the control plane of Kubernetes " + r.version,
		Cost:   "about 5 minutes on two cores the first time",
		Source: r.source, Modfile: r.modfile, Package: ".", Version: r.version,
		Tags: tags(r, tag), Linker: linkerFlags(r.version),
		Dir: "kube", File: "kube" + tag,
	}
}

// tags have one of the release, as kube1.36, for what is not alike in all of them.
func tags(kube release, tag string) []string {
	if tag == "" {
		return []string{"kube" + kube.minor()}
	}
	return []string{"kube" + kube.minor(), tag}
}

// linkerFlags say the version, because clients and servers ask each other for it.
func linkerFlags(version string) string {
	const to = " -X k8s.io/component-base/version."
	numbers := strings.Split(strings.TrimPrefix(version, "v"), ".")
	flags := "-s -w" + to + "gitVersion=" + version + to + "gitMajor=" + numbers[0]
	if len(numbers) > 1 {
		flags += to + "gitMinor=" + numbers[1]
	}
	return flags
}

// RequiredVersion is the version of a module in a go.mod, or empty.
func RequiredVersion(gomod []byte, path string) string {
	for line := range bytes.Lines(gomod) {
		fields := strings.Fields(strings.TrimPrefix(string(line), "require "))
		if len(fields) >= 2 && fields[0] == path && strings.HasPrefix(fields[1], "v") {
			return fields[1]
		}
	}
	return ""
}
