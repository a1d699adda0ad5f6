package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// startPort runs a port of the identity until the test ends, or stop is called.
func startPort(t *testing.T, id *Identity, prepare func(*Port)) (p *Port, stop func()) {
	t.Helper()
	p = must(Listen(t.Context(), "localhost:0", id, quietLog))(t)
	prepare(p)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return p, stop
}

// echo answers every connection of a listener with a word and the peer's name, until the listener ends.
func echo(t *testing.T, l net.Listener, word string) {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
				return
			}
			io.WriteString(conn, word+" "+string(conn.(*Conn).Peer()))
			conn.Close()
		}
	})
}

func ask(t *testing.T, id *Identity, address string, want federation.ClusterID, proto string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, err := id.Dial(ctx, address, want, proto)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

func TestEachProtocolReachesItsListener(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	p, stop := startPort(t, newIdentity(t, ca, "a"), func(p *Port) {
		echo(t, p.Listener(ProtoGRPC), "grpc")
		echo(t, p.Listener(ProtoGossip), "gossip")
	})
	for proto, want := range map[string]string{ProtoGRPC: "grpc b", ProtoGossip: "gossip b"} {
		if got, err := ask(t, b, p.Addr().String(), "a", proto); got != want || err != nil {
			t.Errorf("%s: %q, %v", proto, got, err)
		}
	}
	stop()
	if s := p.Stats(); s.Accepted != 2 || s.Refused != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestStrangersAreRefusedAndCounted(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	p, stop := startPort(t, newIdentity(t, ca, "a"), func(p *Port) { echo(t, p.Listener(ProtoGRPC), "grpc") })
	address := p.Addr().String()
	if got, err := ask(t, newIdentity(t, newAuthority(t, mesh), "b"), address, "", ProtoGRPC); err == nil {
		t.Errorf("another CA's member got %q", got)
	}
	if got, err := ask(t, b, address, "c", ProtoGRPC); err == nil {
		t.Errorf("who wanted another cluster got %q", got)
	}
	if got, err := ask(t, b, address, "a", ProtoGossip); err == nil {
		t.Errorf("a protocol without a listener got %q", got)
	}
	for name, config := range map[string]*tls.Config{
		"no certificate": {InsecureSkipVerify: true, NextProtos: []string{ProtoGRPC}},
		"no protocol":    {InsecureSkipVerify: true, Certificates: []tls.Certificate{b.material.Load().cert}},
	} {
		conn, err := tls.Dial("tcp", address, config)
		if err == nil {
			_, err = io.ReadAll(conn)
			if name == "no certificate" && err == nil {
				t.Errorf("%s: was served", name)
			}
			conn.Close()
		}
	}
	plain := must(net.Dial("tcp", address))(t)
	io.WriteString(plain, "GET / HTTP/1.1\r\n\r\n")
	io.Copy(io.Discard, plain)
	plain.Close()
	stop()
	if s := p.Stats(); s.Accepted != 0 || s.Refused != 6 {
		t.Errorf("stats %+v, want 6 refused", s)
	}
}

func TestAClosedListenerCanBeOpenedAgain(t *testing.T) {
	ca := newAuthority(t, mesh)
	b := newIdentity(t, ca, "b")
	p, stop := startPort(t, newIdentity(t, ca, "a"), func(*Port) {})
	for range 2 {
		l := p.Listener(ProtoGossip)
		echo(t, l, "gossip")
		if got, err := ask(t, b, p.Addr().String(), "a", ProtoGossip); got != "gossip b" || err != nil {
			t.Errorf("open: %q, %v", got, err)
		}
		l.Close()
		if got, err := ask(t, b, p.Addr().String(), "a", ProtoGossip); err == nil {
			t.Errorf("closed: %q", got)
		}
	}
	stop()
	if _, err := p.Listener(ProtoGossip).Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

func TestThoseWhoSayNothingDoNotKeepOthersOut(t *testing.T) {
	ca := newAuthority(t, mesh)
	p, _ := startPort(t, newIdentity(t, ca, "a"), func(p *Port) { echo(t, p.Listener(ProtoGRPC), "grpc") })
	for range 2 * maxHandshakes {
		mute := must(net.Dial("tcp", p.Addr().String()))(t)
		defer mute.Close()
	}
	began := time.Now()
	if got, err := ask(t, newIdentity(t, ca, "b"), p.Addr().String(), "a", ProtoGRPC); got != "grpc b" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if took := time.Since(began); took > handshakeTime/2 {
		t.Errorf("it took %v", took)
	}
}

func TestTheEndClosesWhatNobodyAccepted(t *testing.T) {
	ca := newAuthority(t, mesh)
	p, stop := startPort(t, newIdentity(t, ca, "a"), func(p *Port) { p.Listener(ProtoGRPC) })
	conn := must(newIdentity(t, ca, "b").Dial(t.Context(), p.Addr().String(), "a", ProtoGRPC))(t)
	defer conn.Close()
	stop()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	isCut(t, conn)
	if _, err := net.Dial("tcp", p.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	mute := must(net.Listen("tcp", "localhost:0"))(t)
	defer mute.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := mute.Accept()
		if err == nil {
			conn.Read(make([]byte, 1)) // the handshake has begun
			cancel()
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	id := newIdentity(t, newAuthority(t, mesh), "a")
	if _, err := id.Dial(ctx, mute.Addr().String(), "", ProtoGRPC); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAConnectionToAServerWithoutOurProtocolIsRefused(t *testing.T) {
	ca := newAuthority(t, mesh)
	config := newIdentity(t, ca, "a").ServerTLS() // knows no ALPN
	l := must(tls.Listen("tcp", "localhost:0", config))(t)
	defer l.Close()
	go func() {
		if conn, err := l.Accept(); err == nil {
			io.Copy(io.Discard, conn)
			conn.Close()
		}
	}()
	_, err := newIdentity(t, ca, "b").Dial(t.Context(), l.Addr().String(), "a", ProtoGRPC)
	refused(t, "dial", err, "does not speak h2")
}

func TestRefusalsAreLoggedSeldom(t *testing.T) {
	r := &refusals{log: quietLog}
	now := time.Now()
	for i, step := range []struct {
		after      time.Duration
		ok         bool
		suppressed int
	}{{0, true, 0}, {time.Second, false, 0}, {2 * time.Second, false, 0}, {quiet, true, 2}, {2*quiet - 1, false, 0}, {2 * quiet, true, 1}} {
		if suppressed, ok := r.due(now.Add(step.after)); ok != step.ok || suppressed != step.suppressed {
			t.Errorf("step %d: %v, %d", i, ok, suppressed)
		}
	}
}
