package dns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
)

const bindAttempts = 10

// listen binds one address, host:port, for TCP, and for UDP with that many sockets. With port 0 all get the same free
// one.
func listen(address string, sockets int) (net.Listener, []*net.UDPConn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, fmt.Errorf("DNS address %q: want host:port, as in :53 or 10.0.0.1:53", address)
	}
	for attempt := 1; ; attempt++ {
		l, packets, err := listenBoth(host, port, sockets)
		if err == nil || port != "0" || attempt == bindAttempts {
			return l, packets, err
		}
	}
}

// listenBoth binds TCP first: nobody else can have an address there, while sockets for UDP of one user can share it.
func listenBoth(host, port string, sockets int) (net.Listener, []*net.UDPConn, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return nil, nil, fmt.Errorf("DNS: listening on TCP: %w", err)
	}
	port = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	config := net.ListenConfig{Control: sharing}
	var packets []*net.UDPConn
	for range sockets {
		p, err := config.ListenPacket(context.Background(), "udp", net.JoinHostPort(host, port))
		if err != nil {
			return nil, nil, errors.Join(fmt.Errorf("DNS: listening on UDP: %w", err), closeAll(l, packets))
		}
		packets = append(packets, p.(*net.UDPConn))
	}
	return l, packets, nil
}

func closeAll(l net.Listener, packets []*net.UDPConn) error {
	err := l.Close()
	for _, p := range packets {
		err = errors.Join(err, p.Close())
	}
	return err
}
