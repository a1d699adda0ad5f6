//go:build !linux

package trust

import "syscall"

// limitUnacked leaves a socket alone: only Linux has a limit that Go can set.
func limitUnacked(_, _ string, _ syscall.RawConn) error { return nil }
