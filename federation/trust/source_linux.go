package trust

import (
	"net/netip"
	"syscall"
)

// bindNoPort is IP_BIND_ADDRESS_NO_PORT, which package syscall lacks: the port is chosen only when it is known where
// the connection goes, so that one source has a range of ports for each destination and not one for all.
const bindNoPort = 24

// bindTo gives a socket that is not connected yet its source address.
func bindTo(source netip.Addr, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) {
		if set = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindNoPort, 1); set == nil {
			set = syscall.Bind(int(fd), socketAddress(source))
		}
	})
	if err != nil {
		return err
	}
	return set
}

func socketAddress(ip netip.Addr) syscall.Sockaddr {
	if ip.Is4() {
		return &syscall.SockaddrInet4{Addr: ip.As4()}
	}
	return &syscall.SockaddrInet6{Addr: ip.As16()}
}
