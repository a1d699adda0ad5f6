package coredns

import (
	"fmt"
	"strings"
)

// place is where a Server is on this machine, and which cluster's objects it reads.
type place struct {
	port       string // of 127.0.0.1, for DNS by UDP and TCP.
	ready      string // the host:port that says whether it is ready.
	kubeconfig string // empty for none.
}

// settle makes a Corefile that was written for a pod one for this machine: port 53 is the place's, and each
// server block listens on loopback alone, tells when it is ready, and reads the place's cluster.
func settle(corefile string, p place) string {
	var b strings.Builder
	depth := 0
	for line := range strings.Lines(corefile) {
		words := strings.Fields(line)
		opens := len(words) > 0 && words[len(words)-1] == "{"
		if depth == 0 && opens {
			line = strings.ReplaceAll(line, ":53 ", ":"+p.port+" ")
		}
		b.WriteString(line)
		switch {
		case opens && depth == 0:
			fmt.Fprintf(&b, "    bind 127.0.0.1\n    ready %s\n", p.ready)
		case opens && depth == 1 && words[0] == "kubernetes" && p.kubeconfig != "":
			fmt.Fprintf(&b, "        kubeconfig %s\n", p.kubeconfig)
		}
		switch {
		case opens:
			depth++
		case len(words) == 1 && words[0] == "}":
			depth--
		}
	}
	return b.String()
}
