package dns

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/hansa-mcs/hansa/importer"
)

// troubled is a listener whose first connections cannot be accepted.
type troubled struct {
	net.Listener
	left atomic.Int32
}

func (l *troubled) Accept() (net.Conn, error) {
	if l.left.Add(-1) >= 0 {
		return nil, errors.New("too many open files")
	}
	return l.Listener.Accept()
}

// TestTroubleWithASocketEndsNothing has the process without a file descriptor for a while.
func TestTroubleWithASocketEndsNothing(t *testing.T) {
	i := shop().importer(t)
	var log strings.Builder
	s, err := New(Config{Address: "127.0.0.1:0", TTL: DefaultTTL, View: i.View, Ready: i.Ready(), Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	l := &troubled{Listener: s.listener}
	l.left.Store(3)
	s.listener = l
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Start(ctx) }()
	for _, network := range []string{"tcp", "udp"} {
		if reply := exchange(t, network, s.Addr().String(), asking("web.shop.svc A")); len(reply.Answer) != 1 {
			t.Errorf("by %s: %v", network, reply)
		}
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "trying again"); n != 3 || !strings.Contains(log.String(), "too many open files") {
		t.Errorf("told %d times, want 3:\n%s", n, log.String())
	}
}

// TestOneClientCannotHaveAllConnections opens more than it may, and has another client ask.
func TestOneClientCannotHaveAllConnections(t *testing.T) {
	drops := make(chan Drop, 2*maxConns)
	s := serving(t, shop().importer(t), func(c *Config) { c.Address, c.Dropped = ":0", func(d Drop) { drops <- d } })
	_, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var conns []net.Conn
	open := func() {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
	}
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range maxConnsOfOne {
		open()
		c := &dns.Conn{Conn: conns[len(conns)-1]}
		wire, _ := asking("web.shop.svc A").Pack()
		if reply, err := roundTrip(c, wire); err != nil || len(reply.Answer) != 1 {
			t.Fatalf("connection %d: %v, %v", len(conns), reply, err)
		}
	}
	open()
	if d := <-drops; d != Crowded {
		t.Errorf("one connection too many: dropped as %s", d)
	}
	if n, err := conns[maxConnsOfOne].Read(make([]byte, 1)); err == nil {
		t.Errorf("one connection too many: read %d bytes, want it closed", n)
	}
	if reply := exchange(t, "tcp", net.JoinHostPort("::1", port), asking("web.shop.svc A")); len(reply.Answer) != 1 {
		t.Errorf("another client: %v", reply)
	}
	conns[0].Close()
	for { // the client may come again once the server has seen that it left
		open()
		c := &dns.Conn{Conn: conns[len(conns)-1]}
		wire, _ := asking("web.shop.svc A").Pack()
		if reply, err := roundTrip(c, wire); err == nil && len(reply.Answer) == 1 {
			return
		}
		<-drops
	}
}

// TestConnectionIsWaitedForOnlySoLong has clients that ask as late as they may, and then no more.
func TestConnectionIsWaitedForOnlySoLong(t *testing.T) {
	view := shop().importer(t).View()
	wire, err := asking("web.shop.svc A").Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		questions int
		want      time.Duration
	}{{0, readTimeout}, {1, readTimeout - 1 + idleTimeout}, {3, readTimeout - 1 + 2*(idleTimeout-1) + idleTimeout}} {
		synctest.Test(t, func(t *testing.T) {
			ready := make(chan struct{})
			close(ready)
			s := &Server{zone: zone, view: func() *importer.View { return view }, ready: ready, settled: ready, log: slog.New(slog.DiscardHandler)}
			ours, theirs := net.Pipe()
			began := time.Now()
			go func() {
				wait := readTimeout
				for range test.questions {
					time.Sleep(wait - 1)
					wait = idleTimeout
					c := &dns.Conn{Conn: theirs}
					_ = writeMessage(c.Conn, wire)
					_, _ = c.ReadMsg()
				}
			}()
			s.serveConn(t.Context(), ours, newCache(0))
			if got := time.Since(began); got != test.want {
				t.Errorf("after %d questions: closed after %s, want %s", test.questions, got, test.want)
			}
			theirs.Close()
		})
	}
}

// TestConnectionEndsWithTheServer ends what waits for its client.
func TestConnectionEndsWithTheServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{zone: zone, log: slog.New(slog.DiscardHandler)}
		ours, theirs := net.Pipe()
		defer theirs.Close()
		began := time.Now()
		ctx, stop := context.WithTimeout(t.Context(), readTimeout/2)
		defer stop()
		s.serveConn(ctx, ours, newCache(0))
		if got := time.Since(began); got != readTimeout/2 {
			t.Errorf("closed after %s, want %s", got, readTimeout/2)
		}
	})
}
