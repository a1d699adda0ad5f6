package stream

import (
	"errors"
	"net"
	"sync"

	"github.com/hansa-mcs/hansa/federation"
)

// maxConns bounds how many connections one cluster has open: one stream needs one, its standbys and a change of
// leader a few more.
const maxConns = 16

// gate is a listener that closes what a cluster opens beyond maxConns.
type gate struct {
	net.Listener

	mu   sync.Mutex
	open map[federation.ClusterID]int
}

func newGate(l net.Listener) *gate {
	return &gate{Listener: l, open: map[federation.ClusterID]int{}}
}

// Accept returns the next connection of a cluster that may have one more.
func (g *gate) Accept() (net.Conn, error) {
	for {
		raw, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		conn, ok := raw.(Conn)
		if !ok {
			return nil, errors.Join(errors.New("the listener's connections are not authenticated"), raw.Close())
		}
		if g.enter(conn.Peer()) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { g.leave(conn.Peer()) })}, nil
		}
		_ = conn.Close()
	}
}

func (g *gate) enter(peer federation.ClusterID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[peer] == maxConns {
		return false
	}
	g.open[peer]++
	return true
}

func (g *gate) leave(peer federation.ClusterID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[peer]--; g.open[peer] == 0 {
		delete(g.open, peer)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.leave()
	return c.Conn.Close()
}
