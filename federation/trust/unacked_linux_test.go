package trust

import (
	"net"
	"syscall"
	"testing"
)

// Both ends of what is passed on have to find out by themselves when their peer is dead.
func TestEveryConnectionNoticesADeadPeer(t *testing.T) {
	p := must(Listen(t.Context(), "localhost:0", newIdentity(t, newAuthority(t, mesh), "a"), quietLog))(t)
	defer p.closeAll()
	dialed := must(dialLeader(t.Context(), p.Addr().String()))(t)
	defer dialed.Close()
	accepted := must(p.tcp.AcceptTCP())(t)
	defer accepted.Close()
	for name, conn := range map[string]*net.TCPConn{"accepted": accepted, "dialed": dialed} {
		for _, o := range []struct {
			name                string
			level, option, want int
		}{
			{"TCP_USER_TIMEOUT", syscall.IPPROTO_TCP, tcpUserTimeout, int(unackedLimit.Milliseconds())},
			{"SO_KEEPALIVE", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
			{"TCP_KEEPIDLE", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, int(keepAlive.Idle.Seconds())},
			{"TCP_KEEPINTVL", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, int(keepAlive.Interval.Seconds())},
		} {
			got := 0
			raw := must(conn.SyscallConn())(t)
			err := raw.Control(func(fd uintptr) { got = must(syscall.GetsockoptInt(int(fd), o.level, o.option))(t) })
			if got != o.want || err != nil {
				t.Errorf("%s: %s is %d (%v), want %d", name, o.name, got, err, o.want)
			}
		}
	}
}
