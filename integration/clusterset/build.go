package clusterset

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/hansa-mcs/hansa/integration/lab"
)

// buildAgent builds hansa-agent into dir, the lab's own, so that an agent which starts again is of the same
// tree, and returns its path. Go's own cache makes it quick when nothing changed.
func buildAgent(ctx context.Context, dir string, out io.Writer) (string, error) {
	binary := filepath.Join(dir, "hansa-agent")
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "build", lab.CompilerFlags, "-o", binary, "github.com/hansa-mcs/hansa/cmd/hansa-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building hansa-agent: %w\n%s", err, text)
	}
	if out != nil {
		fmt.Fprintf(out, "built hansa-agent in %s\n", time.Since(began).Round(100*time.Millisecond))
	}
	return binary, nil
}
