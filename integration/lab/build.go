package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// module is the main module, in which the modules of programs are found.
const module = "github.com/hansa-mcs/hansa"

// managerTag is the build tag of the binary that is kube-controller-manager too.
const managerTag = "manager"

// Build returns the path of the binary that is every program of a lab, see
// lab/kube, kube-controller-manager only if manager is set, of the Kubernetes
// that KubeVariable chooses. It is made as any [Program], which takes about five
// minutes on two cores the first time and half a minute after a change. The working
// directory must be in the main module.
func Build(ctx context.Context, out io.Writer, manager bool) (binary string, err error) {
	kube, err := chosenRelease()
	if err != nil {
		return "", err
	}
	tag := ""
	if manager {
		tag = managerTag
	}
	return kube.program(tag).Build(ctx, out)
}

// chosenRelease is the Kubernetes of every lab of this process.
func chosenRelease() (release, error) {
	source, err := FindSource("kube")
	if err != nil {
		return release{}, err
	}
	return chooseRelease(source, os.Getenv(KubeVariable))
}

// FindSource is the directory of a program's module, which is called name beside
// that of the control plane. It is found from the working directory upwards.
func FindSource(name string) (string, error) {
	working, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := working; ; dir = filepath.Dir(dir) {
		if modulePath(filepath.Join(dir, "go.mod")) == module {
			return filepath.Join(dir, "integration", "lab", name), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not in a checkout of %s: change into one, "+
				"the lab is built from its integration/lab/%s", working, module, name)
		}
	}
}

func modulePath(gomod string) string {
	file, err := os.Open(gomod)
	if err != nil {
		return ""
	}
	defer file.Close()
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		if path, ok := strings.CutPrefix(scanner.Text(), "module "); ok {
			return strings.TrimSpace(path)
		}
	}
	return ""
}
