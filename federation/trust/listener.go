package trust

import (
	"net"
	"sync"
)

// listener is the door of one ALPN protocol behind a Port.
type listener struct {
	addr  net.Addr
	conns chan *Conn // unbuffered: a connection has one owner at any time
	done  chan struct{}
	once  sync.Once
}

// Accept returns the next connection, a *Conn, or net.ErrClosed once the listener is closed.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends Accept. It may be called more than once.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

// Addr returns the address of the port.
func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) isClosed() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
