package lab

import "syscall"

// processAttributes bind a process to the life of its starter.
func processAttributes() (*syscall.SysProcAttr, error) {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}, nil
}
