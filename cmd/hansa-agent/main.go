// Command hansa-agent is a cluster's member of a clusterset: it tells the other members which services
// its cluster exports, and makes those of the others usable here.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := agent.Command().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "hansa-agent:", err)
		os.Exit(1)
	}
}
