//go:build !linux

package dns

import (
	"net/netip"
	"syscall"
)

// Elsewhere than on Linux there is one socket, and replies come from where the system has them come from.
const (
	truncatedRead = 0
	controlSize   = 0
)

func sharing(string, string, syscall.RawConn) error { return nil }

func replyFrom([]byte) (netip.Addr, bool) { return netip.Addr{}, false }
