package trust

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT of RFC 5482, in milliseconds; package syscall lacks the name.
const tcpUserTimeout = 18

// limitUnacked sets unackedLimit on a socket.
func limitUnacked(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(unackedLimit.Milliseconds()))
	})
	if err != nil {
		return err
	}
	return set
}
