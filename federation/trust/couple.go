package trust

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// goodbyeTime is how long one direction of a connection that is passed on may outlive the other.
	// A member ends both at once; a stranger that never closes its own would else hold it for ever.
	goodbyeTime = 10 * time.Second
	// flowBuffer holds one TLS record of the largest size (RFC 8446, 5.1).
	flowBuffer = 16 << 10
)

// couple copies between two connections until both directions have ended, or cuts both as soon as ctx ends,
// one of them fails, or one direction outlives the other by goodbye. It closes both. While neither has
// ended, silence may last: keep-alive and unackedLimit tell a silent peer from a dead one.
func couple(ctx context.Context, client, leader *net.TCPConn, goodbye time.Duration) {
	ctx, cut := context.WithCancel(ctx)
	defer cut()
	stop := onEnd(ctx, func() {
		reset(client)
		reset(leader)
	})
	var back sync.WaitGroup
	one := func(to, from *net.TCPConn) {
		if flow(to, from) != nil {
			cut()
			return
		}
		over := time.Now().Add(goodbye)
		client.SetDeadline(over)
		leader.SetDeadline(over)
	}
	back.Go(func() { one(client, leader) })
	one(leader, client)
	back.Wait()
	stop()
	client.Close()
	leader.Close()
}

// flow copies one direction until it ends, and passes its end on.
func flow(to, from *net.TCPConn) error {
	// Between two sockets io.Copy would splice, and hold a pipe of 1 MiB even while both are silent: the
	// kernel grants 64 of these to all processes that share a user ID on a node.
	_, err := io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, make([]byte, flowBuffer))
	if err != nil {
		return err
	}
	return to.CloseWrite()
}

// reset closes a connection in such a way that the peer does not take it for the end of what was sent.
func reset(conn *net.TCPConn) {
	conn.SetLinger(0)
	conn.Close()
}

// onEnd calls f once ctx ends, unless stop is called before. stop is called once, waits for f to return,
// and reports whether it was in time.
func onEnd(ctx context.Context, f func()) (stop func() bool) {
	done := make(chan struct{})
	inTime := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() bool {
		if inTime() {
			return true
		}
		<-done
		return false
	}
}
