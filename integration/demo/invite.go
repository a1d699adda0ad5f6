package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// invite says what there is to look at in a demo that is kept up.
func (d *demo) invite() {
	west := d.member("west")
	fmt.Fprintf(d.out, `
The clusters stay up, in %[1]s. What to try:

  export KUBECONFIG=%[2]s
  export PATH=%[3]s:$PATH
  hansa status --agent %[4]s
  hansa explain --agent %[4]s shop/%[7]s
  kubectl --context west get serviceimports,endpointslices -A
  dig @%[5]s -p %[6]s %[8]s A
  curl -s http://%[4]s/metrics | grep ^hansa_

  hansa export web -n shop --context east
  hansa services --agent %[4]s
  hansa unexport web -n shop --context east

That was the agent of west; those of east and north are --agent %[9]s and --agent %[10]s.
They log to %[1]s/*/agent.log.
End it by: %[11]s
`, d.lab.Dir(), d.lab.Kubeconfig(), filepath.Dir(d.lab.Kubectl()), west.http, host(west.dns), port(west.dns), lighthouse.name, lighthouse.host(),
		d.member("east").http, d.member("north").http, kept)
}

func host(address string) string { return address[:strings.LastIndex(address, ":")] }
func port(address string) string { return address[strings.LastIndex(address, ":")+1:] }
