// Command hansa is the command line for people who run a clusterset. Installed as kubectl-hansa it is
// also "kubectl hansa".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := command()
	calledAs(root, os.Args)
	if err := run(ctx, root); err != nil {
		if err.Error() != "" { // else the answer has said it all
			fmt.Fprintln(os.Stderr, "hansa:", err)
		}
		os.Exit(status(err))
	}
}
