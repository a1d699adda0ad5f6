package dns

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxConns     = 256             // TCP connections at a time; each may hold a request of 64 KiB
	readTimeout  = 2 * time.Second // for the first request of a connection
	idleTimeout  = 8 * time.Second // for each that follows
	writeTimeout = 2 * time.Second // for one reply
	bindAttempts = 10
)

// listen binds one address, host:port, for TCP and UDP. With port 0 both get the same free one.
func listen(address string) (net.Listener, net.PacketConn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("DNS address %q: want host:port, as in :53 or 10.0.0.1:53", address)
	}
	for attempt := 1; ; attempt++ {
		l, p, err := listenBoth(host, port)
		if err == nil || port != "0" || attempt == bindAttempts {
			return l, p, err
		}
	}
}

func listenBoth(host, port string) (net.Listener, net.PacketConn, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("DNS: listening on TCP: %w", err)
	}
	port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	p, err := net.ListenPacket("udp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("DNS: listening on UDP: %w", err), l.Close())
	}
	return bounded{netutil.LimitListener(l, maxConns)}, p, nil
}

// bounded is a listener whose connections cannot be held by a client that does not read.
type bounded struct{ net.Listener }

func (b bounded) Accept() (net.Conn, error) {
	c, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return boundedConn{c}, nil
}

type boundedConn struct{ net.Conn }

func (c boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
