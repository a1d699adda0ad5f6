//go:build kube1.33

package main

// setVerbosity does nothing: kubectl was this old when the command alone did it.
func setVerbosity([]string) {}
