// Command kube is every program of a lab's control plane in one binary.
//
// It is the program that it is called as: start it through a link named
// kube-apiserver, etcd or kubectl, or with that name as its first argument. With
// the build tag manager it is kube-controller-manager as well, which takes a
// fifth longer to build and which few need. The programs are those of Kubernetes and etcd, not
// changed; one binary instead of four saves link time and disk.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	_ "time/tzdata" // CronJobs name time zones, and the machine may have no database of them.

	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json.
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client-go's own metrics.
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info.
)

// applets are the programs in this binary. Each reads os.Args, in which the
// first element is its own name, and ends the process itself.
var applets = map[string]func(){
	"etcd":           etcd,
	"kube-apiserver": apiServer,
	"kubectl":        kubectl,
}

func main() {
	run, args := choose(os.Args)
	if run == nil {
		fmt.Fprintf(os.Stderr, "kube: call it as, or with the first argument, one of: %s\n",
			strings.Join(slices.Sorted(maps.Keys(applets)), ", "))
		os.Exit(2)
	}
	os.Args = args
	run()
}

// choose finds the applet that args asks for, by the name of the program or
// else by its first argument, and the arguments the applet shall see.
func choose(args []string) (func(), []string) {
	for skip := range min(2, len(args)) {
		if run, ok := applets[filepath.Base(args[skip])]; ok {
			return run, args[skip:]
		}
	}
	return nil, nil
}
