package main

import (
	"fmt"
	"strings"
)

// document is docs/faults.md, of a run on a machine.
func document(machine string, results []result, short bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, documentHead, machine)
	if short {
		b.WriteString(shortHead)
	} else {
		b.WriteString(fullHead)
	}
	var rows [][]string
	for _, r := range results {
		cells := r.cells()
		rows = append(rows, []string{cells[0], cells[1], cells[2], cells[3], strings.TrimPrefix(cells[4], "held: "), fmt.Sprintf("`go run ./integration/faults -run %s`", r.id)})
	}
	b.WriteString("\n" + markdown([]string{heading[0], heading[1], heading[2], heading[3], "what is asserted", "test"}, rows))
	return b.String()
}

const documentHead = `<!-- Made by make faults WRITE=1. Do not edit. -->
# What breaks, and what a user notices

Each row is a run with real processes: real API servers and agents, on one machine, with a network between them that is
broken on purpose. The times are those of the run that made this page, with the commit that ran:

    %s

All the while a user in another cluster asks twenty times a second by each door: a DNS question, a request to the endpoints
that an xDS stream assigns, and one to those that kube-proxy would take from the EndpointSlices. A request is lost when the
answer was none or negative, or had only endpoints that the fault killed.

Numbers are those of the list of faults that Hansa is held to; what is missing here is shown by ` + "`make test`" + `,
or not yet. Frames that come twice or out of order, and clusters that stay away for days, are the simulator's: there
are no such things within one TCP connection, and no such patience on one machine.
`

const fullHead = `
Agents run with the default of ` + "`--demote-after`, 30 s, and with `--withdraw-after=100s`" + `, so that it is seen too.
`

const shortHead = `
**This page was made with short timers** (` + "`-short`" + `): agents run with ` + "`--demote-after=4s --withdraw-after=15s`" + `.
`
