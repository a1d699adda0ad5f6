package gossip

import (
	"context"
	"encoding/binary"
	"net"
	"time"
)

const (
	maxPacket  = 1<<16 - 1
	maxQueued  = 64   // packets for one node
	maxSenders = 1024 // nodes that are sent to

	dialTime   = 5 * time.Second
	writeTime  = 10 * time.Second // writing blocks only while the peer does not read
	idleTime   = 5 * time.Minute  // longer than a round of probes in a large clusterset
	flushTime  = time.Second
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	steadyTime = 10 * time.Second
)

// frame returns a packet as it goes over a connection.
func frame(packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, 2+len(packet)), uint16(len(packet))), packet...)
}

// sender takes the packets for one node over one connection, which it opens when there is something to
// send and closes when there was nothing for long.
type sender struct {
	t     *transport
	name  string
	queue chan []byte

	link   *link // nil while there is no connection
	opened time.Time
	pause  time.Duration // before the next connection
}

// run sends until there is nothing to send for idleTime, or the transport stops.
func (s *sender) run() {
	defer s.close()
	idle := time.NewTimer(idleTime)
	defer idle.Stop()
	for {
		select {
		case frame := <-s.queue:
			s.send(frame)
			idle.Reset(idleTime)
		case <-idle.C:
			if s.t.retire(s) {
				return
			}
			idle.Reset(idleTime)
		case <-s.t.sendCtx.Done():
			s.flush()
			return
		}
	}
}

// send writes a frame. When an old connection turns out to be broken, it opens another, once; when that
// fails too, the frame is lost. Connections that do not last are opened less and less often: a peer may
// refuse us right after the handshake.
func (s *sender) send(frame []byte) {
	if s.link != nil {
		if s.link.write(frame, writeTime) == nil {
			return
		}
		s.close()
		if time.Since(s.opened) > steadyTime {
			s.pause = 0
		}
	}
	s.wait(s.pause)
	s.pause = min(max(firstPause, 2*s.pause), lastPause)
	err := s.open()
	if err == nil {
		err = s.link.write(frame, writeTime)
	}
	if err != nil {
		s.close()
		s.t.dropped.Add(1)
		s.t.log.Debug("cannot send to a node", "peer", s.name, "error", err)
	}
}

func (s *sender) open() error {
	ctx, cancel := context.WithTimeout(s.t.sendCtx, dialTime)
	defer cancel()
	conn, err := s.t.dial(ctx, s.name, kindPackets)
	if err == nil {
		s.link, s.opened = newLink(s.t.sendCtx, conn), time.Now()
	}
	return err
}

func (s *sender) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.t.sendCtx.Done():
	}
}

// flush sends what is queued over the connection there is.
func (s *sender) flush() {
	until := time.Now().Add(flushTime)
	for s.link != nil {
		select {
		case frame := <-s.queue:
			if s.link.write(frame, time.Until(until)) != nil {
				return
			}
		default:
			return
		}
	}
}

func (s *sender) close() {
	if s.link != nil {
		s.link.close()
		s.link = nil
	}
}

// link is a connection that is only written to. The peer never says anything on it, so that its end is
// all there is to read.
type link struct {
	net.Conn
	ended chan struct{}
	stop  func() bool
}

// newLink returns the link over a connection. When ctx ends, a write that hangs has flushTime left.
func newLink(ctx context.Context, conn net.Conn) *link {
	l := &link{Conn: conn, ended: make(chan struct{})}
	l.stop = context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Now().Add(flushTime)) })
	go func() {
		defer close(l.ended)
		_, _ = conn.Read(make([]byte, 1))
	}()
	return l
}

// write writes a frame unless the connection has ended.
func (l *link) write(frame []byte, within time.Duration) error {
	select {
	case <-l.ended:
		return net.ErrClosed
	default:
	}
	if err := l.SetWriteDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	_, err := l.Write(frame)
	return err
}

func (l *link) close() {
	l.stop()
	hangUp(l.Conn)
	<-l.ended
}
