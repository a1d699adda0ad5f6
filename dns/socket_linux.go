package dns

import (
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// truncatedRead is the flag of a message that is longer than what it was read into.
const truncatedRead = unix.MSG_TRUNC

// controlSize is how many bytes of control data come with a message: the larger of the two kinds.
var controlSize = unix.CmsgSpace(unix.SizeofInet6Pktinfo)

// sharing lets several sockets have one address, for one to be read by each core, and has the kernel say where each
// message arrived: without that, a reply from a machine with several addresses could come from another than was asked.
func sharing(network, _ string, c syscall.RawConn) (err error) {
	level, option := unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	if network == "udp4" {
		level, option = unix.IPPROTO_IP, unix.IP_PKTINFO
	}
	controlled := c.Control(func(fd uintptr) {
		if err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err == nil {
			err = unix.SetsockoptInt(int(fd), level, option, 1)
		}
	})
	if controlled != nil {
		return controlled
	}
	return err
}

// replyFrom turns control data that came with a message into those that send its reply from where it arrived, which it
// returns: by any interface, as the kernel knows the way; but for addresses that mean something on one alone.
func replyFrom(control []byte) (at netip.Addr, ok bool) {
	if len(control) < unix.SizeofCmsghdr { // for which the parser is not made
		return at, false
	}
	header, data, _, err := unix.ParseOneSocketControlMessage(control)
	switch {
	case err != nil:
		return at, false
	case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
		if at = netip.AddrFrom16([16]byte(data)).Unmap(); !at.IsLinkLocalUnicast() {
			clear(data[16:20])
		}
		return at, true
	case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
		clear(data[:4])
		return netip.AddrFrom4([4]byte(data[4:])), true
	}
	return at, false
}
