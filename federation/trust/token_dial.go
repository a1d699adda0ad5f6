package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// ErrPin is why a server is not shown a token: it has not proven that it belongs to the token's
// clusterset.
var ErrPin = errors.New("who answered is no member of the token's clusterset")

// ErrProtocol is why a connection was given up whose other end does not speak the protocol asked for.
var ErrProtocol = errors.New("the peer does not speak")

// Dial connects to a member of the token's clusterset at host:port (a host name is resolved), to join.
// The caller may show the token there: a server that no CA of the token's Pin certified is refused with
// ErrPin before anything but a TLS handshake was said to it. ctx bounds the connecting.
func (t Token) Dial(ctx context.Context, address string) (*Conn, error) {
	raw, err := dialTCP(ctx, address)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, t.clientTLS())
	peer, err := t.handshake(ctx, conn)
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return &Conn{Conn: conn, peer: peer}, nil
}

func (t Token) clientTLS() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		NextProtos: []string{ProtoJoin},
		// There is no CA to check against yet: VerifyConnection finds it by the pin.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			_, err := t.verify(state, time.Now())
			return err
		},
	}
}

func (t Token) handshake(ctx context.Context, conn *tls.Conn) (federation.ClusterID, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return "", explain(err)
	}
	if got := conn.ConnectionState().NegotiatedProtocol; got != ProtoJoin {
		return "", fmt.Errorf("%w %s", ErrProtocol, ProtoJoin)
	}
	return Peer(conn.ConnectionState(), t.Clusterset)
}

// verify returns the cluster that a server has proven to be: its chain ends in a CA of the pin, and its
// name is that of a member of the token's clusterset.
func (t Token) verify(state tls.ConnectionState, now time.Time) (federation.ClusterID, error) {
	chain := state.PeerCertificates
	if len(chain) == 0 {
		return "", fmt.Errorf("%w: it showed no certificate", ErrPin)
	}
	roots, found := x509.NewCertPool(), false
	for _, c := range chain[1:] {
		if c.IsCA && KeyDigest(c) == t.Pin {
			roots.AddCert(c)
			found = true
		}
	}
	if !found {
		return "", fmt.Errorf("%w: it shows %s, and no CA certificate with the key that the token names", ErrPin, shown(chain[0]))
	}
	if _, err := verifyChain(chain, roots, x509.ExtKeyUsageServerAuth, now); err != nil {
		return "", fmt.Errorf("%w: the certificate of %s: %w", ErrPin, shown(chain[0]), err)
	}
	cluster, err := clusterOf(chain[0], t.Clusterset)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrPin, err)
	}
	return cluster, nil
}

// shown says whose a stranger's certificate claims to be.
func shown(leaf *x509.Certificate) string {
	var names []string
	for _, u := range leaf.URIs {
		names = append(names, u.String())
	}
	if len(names) == 0 {
		return fmt.Sprintf("the name %q", clip(leaf.Subject.String()))
	}
	return fmt.Sprintf("the name %q", clip(strings.Join(names, ", ")))
}

// Pinned reports whether a bundle of CA certificates holds one with the pinned key.
func Pinned(caPEM []byte, pin Digest) bool {
	certs, err := parseCertificates(caPEM)
	return err == nil && slices.ContainsFunc(certs, func(c *x509.Certificate) bool { return c.IsCA && KeyDigest(c) == pin })
}

// PinnedOnly returns those of the CA certificates that have a digest, in PEM; nil if none has.
func PinnedOnly(caPEM []byte, pin Digest) (out []byte) {
	certs, err := parseCertificates(caPEM)
	if err != nil {
		return nil
	}
	for _, c := range certs {
		if c.IsCA && KeyDigest(c) == pin {
			out = append(out, certPEM(c.Raw)...)
		}
	}
	return out
}
