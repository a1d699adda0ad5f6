package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
)

// ErrNoCertificate is what Conn.Stranger says of who showed no certificate.
var ErrNoCertificate = errors.New("it showed no certificate")

// configFor returns how a connection has to be proven. Who offers to join and nothing else is let in
// without a certificate: whatever else it offered could be let in there too.
func (p *Port) configFor(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	protos := p.protos()
	joins := slices.Contains(protos, ProtoJoin)
	if joins && slices.Equal(hello.SupportedProtos, []string{ProtoJoin}) {
		return p.id.strangerTLS(), nil
	}
	proven := slices.DeleteFunc(protos, func(proto string) bool { return proto == ProtoJoin })
	return p.id.ServerTLS(proven...), nil
}

// strangerTLS returns the configuration of a server that speaks ProtoJoin with anybody. It shows the CA's
// certificate too, which who joins does not have yet. A certificate of the other end is asked for, since
// a member brings its own to renew it; what it is worth is said after the handshake, by welcome.
func (id *Identity) strangerTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ProtoJoin},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return &id.material.Load().rooted, nil
		},
		ClientAuth:             tls.RequestClientCert,
		SessionTicketsDisabled: true,
	}
}

// welcome completes a connection to the port. One of another protocol than ProtoJoin has a proven peer.
func (id *Identity) welcome(ctx context.Context, raw *tls.Conn) (*Conn, error) {
	if err := raw.HandshakeContext(ctx); err != nil {
		return nil, explain(err)
	}
	state := raw.ConnectionState()
	conn := &Conn{Conn: raw}
	if len(state.PeerCertificates) == 0 {
		conn.stranger = ErrNoCertificate
	} else {
		conn.peer, conn.stranger = id.verify(state, x509.ExtKeyUsageClientAuth)
	}
	if conn.stranger != nil && state.NegotiatedProtocol != ProtoJoin {
		return nil, conn.stranger
	}
	return conn, nil
}
