package lab

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// reservePort keeps a port that the kernel chooses. The caller must release it.
func reservePort() (*port, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	file := os.NewFile(uintptr(fd), "port")
	number, err := bindAny(fd)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("reserve a port: %w", err)
	}
	return &port{number, file}, nil
}

func bindAny(fd int) (uint16, error) {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		return 0, err
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	address, ok := bound.(*unix.SockaddrInet4)
	if !ok {
		return 0, fmt.Errorf("bound to %T, expected an IPv4 address", bound)
	}
	return uint16(address.Port), nil
}
