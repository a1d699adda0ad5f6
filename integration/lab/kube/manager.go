//go:build manager

package main

import (
	"os"

	"k8s.io/component-base/cli"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func init() {
	applets["kube-controller-manager"] = func() { os.Exit(cli.Run(manager.NewControllerManagerCommand())) }
}
