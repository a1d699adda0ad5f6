// Command hansa is the command line for people who run a clusterset. Installed as kubectl-hansa it is
// also "kubectl hansa".
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
)

func main() {
	// What client-go notes on the way, such as a watch that it begins anew, is nothing to the user: what fails comes back as
	// an error.
	silence := slog.New(slog.DiscardHandler)
	klog.SetSlogLogger(silence)
	slog.SetDefault(silence) // which package log goes by too, and so net/http
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
