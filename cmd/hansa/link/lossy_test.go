package link

import (
	"net"
	"sync"
	"testing"
)

// lossy returns an address that leads to another, once: what is sent there arrives, and what is answered to it is lost. The TLS
// handshake before that passes: of it the client speaks first, then the server, so what the server says after the client spoke
// again is the reply.
func lossy(t *testing.T, to string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	t.Cleanup(work.Wait)
	t.Cleanup(func() { l.Close() })
	work.Go(func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", to)
		if err != nil {
			t.Error(err)
			return
		}
		defer server.Close()
		w := &wire{}
		work.Go(func() { w.ask(client, server) })
		w.answer(server, client)
	})
	return l.Addr().String()
}

// wire is what one side of a connection has said.
type wire struct {
	mu       sync.Mutex
	answered bool
	asked    bool // after the answer
}

// ask carries what the client says, until either side ends.
func (w *wire) ask(client, server net.Conn) {
	carry(client, server, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = w.asked || w.answered
		return true
	})
}

// answer carries what the server says, until that is the reply.
func (w *wire) answer(server, client net.Conn) {
	carry(server, client, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.answered = true
		return !w.asked
	})
}

// carry copies what comes, as long as may says so of each part before it goes on.
func carry(from, to net.Conn, may func() bool) {
	part := make([]byte, 64<<10)
	for {
		n, err := from.Read(part)
		if n > 0 && !may() || err != nil {
			return
		}
		if _, err := to.Write(part[:n]); err != nil {
			return
		}
	}
}
