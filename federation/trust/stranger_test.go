package trust

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// welcomeAll answers every connection of a listener of ProtoJoin with who it is, as far as it has proven that.
func welcomeAll(t *testing.T, l net.Listener) {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			who := conn.(*Conn)
			said := "member " + string(who.Peer())
			if who.Stranger() != nil {
				said = "stranger: " + who.Stranger().Error() + string(who.Peer())
			}
			io.WriteString(conn, said)
			conn.Close()
		}
	})
}

func startWelcoming(t *testing.T, id *Identity) (*Port, func()) {
	t.Helper()
	return startPort(t, id, func(p *Port) {
		welcomeAll(t, p.Listener(ProtoJoin))
		echo(t, p.Listener(ProtoGRPC), "grpc")
		echo(t, p.Listener(ProtoGossip), "gossip")
	})
}

// knock connects with a configuration of a stranger's choice, and returns the protocol and the answer.
func knock(t *testing.T, address string, config *tls.Config) (proto, answer string, err error) {
	t.Helper()
	config.InsecureSkipVerify = true
	raw := must(net.Dial("tcp", address))(t)
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(t.Context()); err != nil {
		return "", "", err
	}
	text, err := io.ReadAll(conn)
	return conn.ConnectionState().NegotiatedProtocol, string(text), err
}

func TestOnlyToJoinAnybodyIsLetIn(t *testing.T) {
	ca := newAuthority(t, mesh)
	p, stop := startWelcoming(t, newIdentity(t, ca, "a"))
	for name, protos := range map[string][]string{
		"grpc":                 {ProtoGRPC},
		"gossip":               {ProtoGossip},
		"no protocol":          nil,
		"unknown":              {"hansa-join/2"},
		"join and grpc":        {ProtoJoin, ProtoGRPC},
		"grpc and join":        {ProtoGRPC, ProtoJoin},
		"join twice":           {ProtoJoin, ProtoJoin},
		"join and http":        {ProtoJoin, "http/1.1"},
		"join and the refused": {ProtoJoin, "none"},
	} {
		if proto, got, err := knock(t, p.Addr().String(), &tls.Config{NextProtos: protos}); err == nil {
			t.Errorf("%s: a stranger got %q by %q", name, got, proto)
		}
	}
	proto, got, err := knock(t, p.Addr().String(), &tls.Config{NextProtos: []string{ProtoJoin}})
	if proto != ProtoJoin || got != "stranger: it showed no certificate" || err != nil {
		t.Errorf("to join: %q, %q, %v", proto, got, err)
	}
	stop()
	if s := p.Stats(); s.Accepted != 1 || s.Refused != 9 {
		t.Errorf("stats %+v, want 1 accepted and 9 refused", s)
	}
}

func TestWhoShowsACertificateToJoinIsKnownByIt(t *testing.T) {
	ca := newAuthority(t, mesh)
	p, _ := startWelcoming(t, newIdentity(t, ca, "a"))
	good := func(*leaf) {}
	for name, tt := range map[string]struct {
		cert tls.Certificate
		want string
	}{
		"a member's":            {forge(t, ca, uris("spiffe://mesh.example/cluster/b")), "member b"},
		"an expired one":        {forge(t, ca, func(c *leaf) { c.NotAfter = time.Now().Add(-time.Minute) }), "stranger: the peer's certificate: x509: certificate has expired"},
		"another CA's":          {forge(t, newAuthority(t, mesh), good), "stranger: the peer's certificate: x509: certificate signed by unknown authority"},
		"another clusterset's":  {forge(t, ca, uris("spiffe://other.example/cluster/b")), "stranger: the certificate names \"spiffe://other.example/cluster/b\""},
		"one for servers alone": {forge(t, ca, func(c *leaf) { c.ExtKeyUsage = c.ExtKeyUsage[:1] }), "stranger: the peer's certificate: x509: certificate specifies an incompatible key usage"},
	} {
		_, got, err := knock(t, p.Addr().String(), &tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{tt.cert}})
		if err != nil || len(got) < len(tt.want) || got[:len(tt.want)] != tt.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, tt.want)
		}
	}
}

func TestWithoutAListenerNobodyIsLetInToJoin(t *testing.T) {
	p, _ := startPort(t, newIdentity(t, newAuthority(t, mesh), "a"), func(p *Port) {
		echo(t, p.Listener(ProtoGRPC), "grpc")
		p.Listener(ProtoJoin).Close()
	})
	if proto, got, err := knock(t, p.Addr().String(), &tls.Config{NextProtos: []string{ProtoJoin}}); err == nil {
		t.Errorf("got %q by %q", got, proto)
	}
}

func TestAStandbyPassesOnWhoWantsToJoin(t *testing.T) {
	ca := newAuthority(t, mesh)
	leader, _ := startWelcoming(t, newIdentity(t, ca, "a"))
	standby, _, stop := startReplica(t, newIdentity(t, ca, "a"), "standby", Route{To: leader.Addr().String()})
	conn := must(must(ca.NewToken(""))(t).Dial(t.Context(), standby.Addr().String()))(t)
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	if got, err := io.ReadAll(conn); string(got) != "stranger: it showed no certificate" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	conn.Close()
	stop()
	if s := standby.Stats(); s != (PortStats{Passed: 1}) {
		t.Errorf("stats %+v", s)
	}
}

func TestATokenIsShownToMembersOfItsClustersetAlone(t *testing.T) {
	ca, other := newAuthority(t, mesh), newAuthority(t, mesh)
	token := must(ca.NewToken(""))(t)
	elsewhere := must(LoadAuthority("other.example", ca.CAPEM(), must(ca.KeyPEM())(t)))(t)
	imposter := forge(t, other, uris("spiffe://mesh.example/cluster/a"))
	imposter.Certificate = append(imposter.Certificate, ca.cert.Raw) // the CA's certificate is no secret
	expired := forge(t, ca, func(c *leaf) { c.NotAfter = time.Now().Add(-time.Minute) })
	expired.Certificate = append(expired.Certificate, ca.cert.Raw)
	client := forge(t, ca, func(c *leaf) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	client.Certificate = append(client.Certificate, ca.cert.Raw)
	itself := tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key}
	rootless := forge(t, ca, func(*leaf) {})
	for name, tt := range map[string]struct {
		server *tls.Config
		want   error
	}{
		"a member":             {newIdentity(t, ca, "a").strangerTLS(), nil},
		"another CA":           {newIdentity(t, other, "a").strangerTLS(), ErrPin},
		"another clusterset":   {newIdentity(t, elsewhere, "a").strangerTLS(), ErrPin},
		"a forged chain":       {&tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{imposter}}, ErrPin},
		"an expired member":    {&tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{expired}}, ErrPin},
		"a client's":           {&tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{client}}, ErrPin},
		"the CA itself":        {&tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{itself}}, ErrPin},
		"a member without CA":  {&tls.Config{NextProtos: []string{ProtoJoin}, Certificates: []tls.Certificate{rootless}}, ErrPin},
		"no protocol":          {&tls.Config{Certificates: []tls.Certificate{newIdentity(t, ca, "a").material.Load().rooted}}, ErrProtocol},
		"another protocol":     {&tls.Config{NextProtos: []string{ProtoGRPC}, Certificates: []tls.Certificate{newIdentity(t, ca, "a").material.Load().rooted}}, ErrProtocol},
		"a port of other ALPN": {newIdentity(t, ca, "a").ServerTLS(ProtoGRPC), ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			address, heard := overhear(t, tt.server)
			conn, err := token.Dial(t.Context(), address)
			if !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err == nil {
				if conn.Peer() != "a" {
					t.Errorf("the peer is %q", conn.Peer())
				}
				conn.Close()
			}
			if got := <-heard; len(got) > 0 {
				t.Errorf("it was told %q", got)
			}
		})
	}
}

// overhear serves one connection, and returns what it was told after the handshake.
func overhear(t *testing.T, config *tls.Config) (address string, heard chan []byte) {
	t.Helper()
	l := must(net.Listen("tcp", "localhost:0"))(t)
	heard = make(chan []byte, 1)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(func() { l.Close() })
	wg.Go(func() {
		raw, err := l.Accept()
		if err != nil {
			t.Error(err)
			heard <- nil
			return
		}
		defer raw.Close()
		raw.SetDeadline(time.Now().Add(10 * time.Second))
		text, _ := io.ReadAll(tls.Server(raw, config))
		heard <- text
	})
	return l.Addr().String(), heard
}
