//go:build !linux

package lab

import (
	"errors"
	"syscall"
)

var errNotLinux = errors.New("the lab needs Linux: elsewhere its processes could outlive it")

func processAttributes() (*syscall.SysProcAttr, error) { return nil, errNotLinux }

func reservePort() (*port, error) { return nil, errNotLinux }
