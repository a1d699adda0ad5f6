package main

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// soon is how long a test waits for what must not come: only a network that does not do as it is told is faster.
const soon = 200 * time.Millisecond

// hub is a network with two members, a and b, of which b echoes.
type hub struct {
	*network
	t *testing.T
	a net.Addr // from which a dials
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{network: newNetwork(), t: t}
	t.Cleanup(h.stop)
	home, err := h.home("b", "0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", home)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	h.moved("b", "0", l.Addr().String())
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	if home, err = h.home("a", "1"); err != nil {
		t.Fatal(err)
	}
	h.a = &net.TCPAddr{IP: net.ParseIP(hostOf(home))}
	return h
}

// dial connects from a to b, as a protocol: the first byte is no TLS, so it is a stream's, unless it says gossip.
func (h *hub) dial() net.Conn {
	h.t.Helper()
	front, err := h.front("b")
	if err != nil {
		h.t.Fatal(err)
	}
	conn, err := (&net.Dialer{LocalAddr: h.a}).DialContext(h.t.Context(), "tcp", front)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	return conn
}

// says writes a text, and reads as much, until a deadline.
func (h *hub) says(conn net.Conn, text string, wait time.Duration) (string, error) {
	h.t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	return h.hears(conn, len(text), wait)
}

func (h *hub) hears(conn net.Conn, n int, wait time.Duration) (string, error) {
	h.t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		h.t.Fatal(err)
	}
	b := make([]byte, n)
	got, err := io.ReadFull(conn, b)
	return string(b[:got]), err
}

func (h *hub) echoes(conn net.Conn, text string) {
	h.t.Helper()
	if got, err := h.says(conn, text, patience); got != text || err != nil {
		h.t.Fatalf("echo %q, %v, want %q", got, err, text)
	}
}

var there, back = pair{"a", "b"}, pair{"b", "a"}

func TestNetworkPassesAndKnowsWhoDials(t *testing.T) {
	h := newHub(t)
	conn := h.dial()
	h.echoes(conn, "hello, b")
	if n := h.opened(there); n != 1 {
		t.Errorf("%d connections from a to b, want 1", n)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.hears(conn, 1, patience); !errors.Is(err, io.EOF) {
		t.Errorf("after a has ended: %v, want the end of b too", err)
	}
}

func TestRefusedConnectionsAreReset(t *testing.T) {
	h := newHub(t)
	open := h.dial()
	h.echoes(open, "hello")
	h.set(back, anyTraffic, rule{refuse: true})
	h.echoes(open, "b may not dial, a may")
	h.set(there, anyTraffic, rule{refuse: true})
	if _, err := h.hears(open, 1, patience); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the open connection: %v, want a reset", err)
	}
	if got, err := h.says(h.dial(), "hello", patience); err == nil {
		t.Errorf("a new connection: %q, want none", got)
	}
	h.clear()
	h.echoes(h.dial(), "again")
}

// Also the end of a connection is kept, and all arrives when it may.
func TestHeldBytesAreKeptOneWay(t *testing.T) {
	h := newHub(t)
	conn := h.dial()
	h.echoes(conn, "hello")
	h.set(back, anyTraffic, hold)
	if got, err := h.says(conn, "held", soon); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("while it is held: %q, %v", got, err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := h.hears(conn, 1, soon); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the end, while it is held: %q, %v", got, err)
	}
	h.clear()
	if got, err := h.hears(conn, 4, patience); got != "held" || err != nil {
		t.Errorf("let go: %q, %v", got, err)
	}
	if _, err := h.hears(conn, 1, patience); !errors.Is(err, io.EOF) {
		t.Errorf("let go: %v, want the end", err)
	}
}

func TestBytesAreLateAndThrottled(t *testing.T) {
	h := newHub(t)
	conn := h.dial()
	h.echoes(conn, "hello")
	h.set(there, anyTraffic, rule{delay: soon, jitter: soon})
	began := time.Now()
	h.echoes(conn, "late")
	if took := time.Since(began); took < soon {
		t.Errorf("it took %s, want at least %s", took, soon)
	}
	h.set(there, anyTraffic, rule{rate: 20})
	began = time.Now()
	h.echoes(conn, strings.Repeat("x", 10))
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("10 bytes took %s at 20 in a second", took)
	}
}

func TestIdleConnectionsAreForgottenSilently(t *testing.T) {
	h := newHub(t)
	idle := h.dial()
	h.echoes(idle, "hello")
	h.set(there, anyTraffic, rule{idle: soon})
	time.Sleep(2 * soon) // what makes it idle
	if got, err := h.says(idle, "anybody there?", 2*soon); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("forgotten: %q, %v, want silence", got, err)
	}
	h.echoes(h.dial(), "a new one")
}

func TestOneProtocolIsTreatedAlone(t *testing.T) {
	h := newHub(t)
	hello := func(alpn string) string { return "\x16\x03\x01\x00" + string(rune(len(alpn))) + alpn }
	h.set(there, gossipTraffic, hold)
	h.echoes(h.dial(), hello("h2"))
	if got, err := h.says(h.dial(), hello("hansa-gossip/1"), soon); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("gossip is held: %q, %v", got, err)
	}
}

func TestPlacesStay(t *testing.T) {
	h := newHub(t)
	for _, member := range []string{"a", "b"} {
		first, err := h.home(member, "7")
		if err != nil {
			t.Fatal(err)
		}
		again, _ := h.home(member, "7")
		other, _ := h.home(member, "8")
		if first != again || first == other || !strings.HasSuffix(first, ":"+strconv.Itoa(7)) {
			t.Errorf("%s is at %s, %s and %s", member, first, again, other)
		}
	}
}
