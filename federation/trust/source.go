package trust

import (
	"context"
	"net"
	"net/netip"
	"syscall"
)

// DialFrom makes Dial connect from the host of addr, the address of this member's Port, if that is one specific IP
// address: who has given the member one wants others, and the firewalls between, to see that one. From an unspecified
// address the system chooses, as it does without DialFrom; so it does for what that address cannot reach, which is
// another IP family and, from loopback, all that is not. Nor is an address with a zone taken. It is called before the first Dial. Only Linux can do it.
func (id *Identity) DialFrom(addr net.Addr) {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok || tcp.IP.IsUnspecified() || tcp.Zone != "" {
		return
	}
	id.source = tcp.AddrPort().Addr().Unmap()
}

// dialFrom opens a connection as dialTCP does, from a source if it is valid and can reach the address.
func dialFrom(ctx context.Context, source netip.Addr, address string) (net.Conn, error) {
	dialer := newDialer()
	if source.IsValid() {
		dialer.Control = func(network, address string, raw syscall.RawConn) error {
			if err := limitUnacked(network, address, raw); err != nil || !reaches(source, address) {
				return err
			}
			return bindTo(source, raw)
		}
	}
	return dialer.DialContext(ctx, "tcp", address)
}

// reaches reports whether a connection from source can be one to address, an IP address and a port.
func reaches(source netip.Addr, address string) bool {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return false
	}
	ip := to.Addr().Unmap()
	return ip.Is4() == source.Is4() && ip.IsLoopback() == source.IsLoopback()
}
