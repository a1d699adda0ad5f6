package gossip

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/hansa-mcs/hansa/federation"
)

const (
	maxPeers        = 1024
	maxConnsPerPeer = 8
	maxStreams      = 32 // at once, of all peers
	firstByteTime   = 10 * time.Second
	acceptPause     = 100 * time.Millisecond
)

// acceptAll serves the connections of the listener until it is closed.
func (t *transport) acceptAll() {
	for {
		conn, err := t.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			t.log.Warn("cannot accept a gossip connection", "error", err)
			select {
			case <-time.After(acceptPause):
				continue
			case <-t.ctx.Done():
				return
			}
		}
		peer, ok := conn.(Conn)
		if !ok {
			hangUp(conn)
			continue
		}
		if ousted := t.gate.enter(peer); ousted != nil {
			t.accepts.Go(func() { hangUp(ousted) })
		}
		t.accepts.Go(func() { t.serve(peer) })
	}
}

// serve reads the packets of a connection until its end, or hands it on as a stream.
func (t *transport) serve(conn Conn) {
	stop := context.AfterFunc(t.ctx, func() { hangUp(conn) })
	done := func() {
		stop()
		t.gate.leave(conn)
	}
	kind, err := readKind(conn)
	switch {
	case err != nil:
	case kind == kindPackets:
		err = t.readPackets(conn)
	case kind == kindStream:
		t.handStream(conn, done)
		return
	default:
		err = fmt.Errorf("a connection of unknown kind %#x", kind)
	}
	hangUp(conn)
	done()
	if !errors.Is(err, io.EOF) && t.ctx.Err() == nil {
		t.log.Debug("a gossip connection ended", "peer", conn.Peer(), "error", err)
	}
}

func readKind(conn net.Conn) (byte, error) {
	var kind [1]byte
	if err := conn.SetReadDeadline(time.Now().Add(firstByteTime)); err != nil {
		return 0, err
	}
	_, err := io.ReadFull(conn, kind[:])
	return kind[0], err
}

// handStream gives a connection to memberlist, which bounds the time it takes and closes it.
func (t *transport) handStream(conn Conn, done func()) {
	select {
	case t.slots <- struct{}{}:
	case <-t.ctx.Done():
		hangUp(conn)
		done()
		return
	}
	s := &stream{Conn: conn, onDone: sync.OnceFunc(func() {
		done()
		<-t.slots
	})}
	select {
	case t.streams <- s:
	case <-t.ctx.Done():
		hangUp(s)
	}
}

// readPackets takes frames until the connection ends, is silent for long, or is refused a frame. While
// memberlist is busy nothing is read, and the peer's own queue overflows.
func (t *transport) readPackets(conn Conn) error {
	in := bufio.NewReader(conn)
	for {
		if err := conn.SetReadDeadline(time.Now().Add(2 * idleTime)); err != nil {
			return err
		}
		var size [2]byte
		if _, err := io.ReadFull(in, size[:]); err != nil {
			return err
		}
		packet := make([]byte, binary.BigEndian.Uint16(size[:])) // memberlist keeps it
		if _, err := io.ReadFull(in, packet); err != nil {
			return err
		}
		if err := guardPacket(packet); err != nil {
			return err
		}
		select {
		case t.packets <- &memberlist.Packet{Buf: packet, From: conn.RemoteAddr(), Timestamp: time.Now()}:
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
	}
}

// gate bounds the connections of each peer, and the peers.
type gate struct {
	mu    sync.Mutex
	peers map[federation.ClusterID][]Conn // oldest first
}

// enter takes up a connection, and returns the one that has to go for it, if any. A peer that opens too
// many loses its oldest: most likely it restarted, and that is of its former self.
func (g *gate) enter(conn Conn) (ousted Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.peers == nil {
		g.peers = map[federation.ClusterID][]Conn{}
	}
	conns := g.peers[conn.Peer()]
	if len(conns) == 0 && len(g.peers) == maxPeers {
		return conn
	}
	if len(conns) == maxConnsPerPeer {
		ousted, conns = conns[0], conns[1:]
	}
	g.peers[conn.Peer()] = append(conns, conn)
	return ousted
}

// leave forgets a connection; it may be called more than once.
func (g *gate) leave(conn Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	conns := g.peers[conn.Peer()]
	for i, c := range conns {
		if c == conn {
			conns = append(conns[:i:i], conns[i+1:]...)
			break
		}
	}
	if g.peers[conn.Peer()] = conns; len(conns) == 0 {
		delete(g.peers, conn.Peer())
	}
}
