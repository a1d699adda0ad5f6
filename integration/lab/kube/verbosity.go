//go:build !kube1.33

package main

import (
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
)

// setVerbosity sets kubectl's before the command exists, because reading the
// .kuberc file and looking for plugins happen while it is made and are logged.
func setVerbosity(args []string) {
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(args))
}
