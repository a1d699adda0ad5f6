package dns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	maxConns      = 1024            // TCP connections at a time
	maxConnsOfOne = maxConns / 8    // of one client: a CoreDNS that forwards has a few dozen
	maxRequest    = 4096            // bytes of a request: a question, and what EDNS adds
	readTimeout   = 2 * time.Second // for the first request of a connection
	idleTimeout   = 8 * time.Second // for each that follows
	writeTimeout  = 2 * time.Second // for one reply
)

// serveTCP answers on connections until ctx ends, which is no error, or the listener is closed. It returns when all of
// them are closed.
func (s *Server) serveTCP(ctx context.Context) error {
	listener := netutil.LimitListener(s.listener, maxConns)
	stop := context.AfterFunc(ctx, func() { listener.Close() })
	defer stop()
	cache, crowd := newCache(cacheBytes), crowd{of: map[netip.Addr]int{}}
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := listener.Accept()
		switch {
		case err == nil:
			conns.Go(func() { s.admit(ctx, conn, cache, &crowd) })
		case ctx.Err() != nil:
			return nil
		case !s.rest(ctx, "tcp", err):
			return fmt.Errorf("DNS: accepting a connection: %w", err)
		}
	}
}

// crowd counts connections by client, so that none can have all of them.
type crowd struct {
	mu sync.Mutex
	of map[netip.Addr]int
}

// enter counts a connection of a client, which must leave; unless it has as many as it may.
func (c *crowd) enter(client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[client] >= maxConnsOfOne {
		return false
	}
	c.of[client]++
	return true
}

func (c *crowd) leave(client netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[client]--; c.of[client] == 0 {
		delete(c.of, client)
	}
}

// admit serves a connection, or closes it where its client has too many.
func (s *Server) admit(ctx context.Context, conn net.Conn, cache *cache, crowd *crowd) {
	client := whose(addrPort(conn.RemoteAddr()).Addr())
	if !crowd.enter(client) {
		s.drop(Crowded)
		conn.Close()
		return
	}
	defer crowd.leave(client)
	s.serveConn(ctx, conn, cache)
}

// serveConn answers one message after the other until the client has no more, lets us wait too long, sends what cannot be
// read, asks too often, or ctx ends.
func (s *Server) serveConn(ctx context.Context, conn net.Conn, cache *cache) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	responder := newResponder(&s.zone, s.limit, cache)
	peer, local := addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr())
	in := make([]byte, maxRequest)
	for timeout := readTimeout; ; timeout = idleTimeout {
		wire, err := readMessage(conn, in, timeout)
		if errors.Is(err, errTooLong) {
			s.drop(Malformed)
		}
		if err != nil {
			return
		}
		from := origin{tcp: true, client: peer.Addr(), at: local.Addr().Unmap(), time: time.Now()}
		reply, told, drop := responder.respond(wire, s.state(), from)
		if drop != "" {
			s.drop(drop)
		}
		switch drop {
		case Malformed:
			return
		case Response:
			continue
		}
		err = writeMessage(conn, reply)
		s.tell(wire, peer, from, told, err)
		if err != nil || told.Limited {
			return
		}
	}
}

var errTooLong = fmt.Errorf("a request of more than %d bytes", maxRequest)

// readMessage reads one message into b, which must have room for every one that is taken.
func readMessage(conn net.Conn, b []byte, timeout time.Duration) ([]byte, error) {
	if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(conn, b[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(b))
	if n > len(b) {
		return nil, errTooLong
	}
	_, err := io.ReadFull(conn, b[:n])
	return b[:n], err
}

// writeMessage writes one message. A client that does not read does not hold it for long.
func writeMessage(conn net.Conn, message []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	b := binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(message)), uint16(len(message)))
	_, err := conn.Write(append(b, message...))
	return err
}

func addrPort(a net.Addr) netip.AddrPort {
	if tcp, ok := a.(*net.TCPAddr); ok {
		return tcp.AddrPort()
	}
	return netip.AddrPort{}
}
