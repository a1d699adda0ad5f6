package coredns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// module is CoreDNS's, whose root is its main package.
const module = "github.com/coredns/coredns"

// Build returns the path of CoreDNS's own program, of the release that integration/lab/coredns requires. It is
// made if it is not in the cache yet, as any [lab.Program], which takes about two minutes on two cores. The
// working directory must be in the main module.
func Build(ctx context.Context, out io.Writer) (binary string, err error) {
	source, err := lab.FindSource("coredns")
	if err != nil {
		return "", err
	}
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return "", fmt.Errorf("read which CoreDNS is built: %w", err)
	}
	version := lab.RequiredVersion(gomod, module)
	if version == "" {
		return "", errors.New("read which CoreDNS is built: integration/lab/coredns/go.mod does not require " + module)
	}
	return lab.Program{
		Name:   "CoreDNS " + version,
		Cost:   "about 2 minutes on two cores",
		Source: source, Modfile: "go.mod", Package: module, Version: version,
		Tags: []string{"grpcnotrace"}, Linker: "-s -w", // as CoreDNS's own Makefile has them.
		Dir: "coredns", File: "coredns",
	}.Build(ctx, out)
}
