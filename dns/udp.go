package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// socket is one socket, and the goroutine that reads it, answers, and reads on.
type socket struct {
	server    *Server
	conn      *net.UDPConn
	responder *responder
	bound     netip.Addr
}

func (s *Server) newSocket(conn *net.UDPConn) *socket {
	return &socket{
		server:    s,
		conn:      conn,
		responder: newResponder(&s.zone, s.limit, newCache(cacheBytes)),
		bound:     conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(),
	}
}

// serve answers until ctx ends, which is no error, or the socket is closed.
func (u *socket) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { u.conn.SetReadDeadline(time.Now()) })
	defer stop()
	in, control := make([]byte, maxUDPSize), make([]byte, controlSize)
	for {
		n, controls, flags, peer, err := u.conn.ReadMsgUDPAddrPort(in, control)
		switch {
		case err == nil:
			u.answer(in[:n], control[:controls], peer, flags)
		case ctx.Err() != nil:
			return nil
		case !u.server.rest(ctx, "udp", err):
			return fmt.Errorf("DNS: reading UDP: %w", err)
		}
	}
}

// answer sends the reply to one message from where the message arrived, as its control data say.
func (u *socket) answer(wire, control []byte, peer netip.AddrPort, flags int) {
	if flags&truncatedRead != 0 {
		u.server.drop(Malformed)
		return
	}
	from := origin{client: peer.Addr(), at: u.bound, time: time.Now()}
	if at, ok := replyFrom(control); ok {
		from.at = at
	}
	reply, told, drop := u.responder.respond(wire, u.server.state(), from)
	if drop != "" {
		u.server.drop(drop)
		return
	}
	_, _, err := u.conn.WriteMsgUDPAddrPort(reply, control, peer)
	u.server.tell(wire, peer, from, told, err)
}
