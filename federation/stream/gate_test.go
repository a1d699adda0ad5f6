package stream

import (
	"net"
	"testing"

	"github.com/hansa-mcs/hansa/federation"
)

// lined is a listener of connections that stand in line.
type lined struct {
	net.Listener
	conns []net.Conn
}

func (l *lined) Accept() (net.Conn, error) {
	if len(l.conns) == 0 {
		return nil, net.ErrClosed
	}
	c := l.conns[0]
	l.conns = l.conns[1:]
	return c, nil
}

// One cluster cannot take all connections; what it gives back it may have again.
func TestOneClusterHasFewConnections(t *testing.T) {
	l := &lined{}
	dial := func(peer federation.ClusterID) net.Conn {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { _ = theirs.Close() })
		l.conns = append(l.conns, memoryConn{Conn: ours, peer: peer})
		return theirs
	}
	g := newGate(l)
	accept := func() federation.ClusterID {
		t.Helper()
		c, err := g.Accept()
		if err != nil {
			return ""
		}
		t.Cleanup(func() { _ = c.Close() })
		return c.(Conn).Peer()
	}
	var first net.Conn
	for range maxConns {
		dial("west")
	}
	first, _ = g.Accept()
	for range maxConns - 1 {
		if accept() != "west" {
			t.Fatal("refused within the bound")
		}
	}
	beyond := dial("west")
	dial("north")
	if peer := accept(); peer != "north" {
		t.Errorf("accepted one of %q beyond the bound", peer)
	}
	if _, err := beyond.Read(make([]byte, 1)); err == nil {
		t.Error("the one beyond is open")
	}
	_, _ = first.Close(), first.Close()
	dial("west")
	dial("west")
	if accept() != "west" || accept() != "" {
		t.Error("one that was closed makes room for one")
	}
}
