package trust

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// The ALPN protocols of the one port. Only to ProtoJoin anybody is let in without a certificate. ProtoReport
// is HTTP/1.1, by which people ask a cluster's agent with that cluster's own certificate.
const (
	ProtoGRPC   = "h2"
	ProtoGossip = "hansa-gossip/1"
	ProtoJoin   = "hansa-join/1"
	ProtoReport = "hansa-report/1"
)

// unackedLimit is how long sent data may stay unacknowledged before the connection counts as broken:
// what a balancer or a partition swallows without a word would else be missed for a quarter of an hour.
const unackedLimit = 15 * time.Second

// keepAlive finds idle connections that were cut without a word, and keeps balancers from doing so.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

// Conn is a connection to another member, or to another replica of this one, after its handshake; of
// ProtoJoin it may be one to a stranger.
type Conn struct {
	*tls.Conn
	peer     federation.ClusterID
	stranger error
}

// Peer returns the cluster that the other end's certificate names, "" if it is a stranger.
func (c *Conn) Peer() federation.ClusterID { return c.peer }

// Stranger returns why the other end has not proven who it is, nil if it has: ErrNoCertificate, or what
// is wrong with its certificate. Only who accepts connections of ProtoJoin has to ask.
func (c *Conn) Stranger() error { return c.stranger }

// Dial connects to a member at host:port (a host name is resolved) and demands that its certificate
// names the cluster want, or any member if want is empty. ctx bounds the connecting, not the connection.
// By TLS 1.3 the server may still refuse our certificate: then the first read says so.
func (id *Identity) Dial(ctx context.Context, address string, want federation.ClusterID, proto string) (*Conn, error) {
	raw, err := dialFrom(ctx, id.source, address)
	if err != nil {
		return nil, err
	}
	conn, err := id.handshake(ctx, tls.Client(raw, id.ClientTLS(want, proto)))
	if err == nil && conn.ConnectionState().NegotiatedProtocol != proto {
		err = fmt.Errorf("%w %s", ErrProtocol, proto)
	}
	if err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	return conn, nil
}

// dialTCP opens a connection that finds out when its peer is dead.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	return newDialer().DialContext(ctx, "tcp", address)
}

func newDialer() *net.Dialer {
	return &net.Dialer{KeepAliveConfig: keepAlive, Control: limitUnacked}
}

// handshake completes a connection within ctx. On an error it is for the caller to close it.
func (id *Identity) handshake(ctx context.Context, conn *tls.Conn) (*Conn, error) {
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, explain(err)
	}
	peer, err := Peer(conn.ConnectionState(), id.clusterset)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: conn, peer: peer}, nil
}

// explain adds what to do to what TLS says of a port that is no member's.
func explain(err error) error {
	_, noTLS := errors.AsType[tls.RecordHeaderError](err)
	if noTLS || strings.Contains(err.Error(), "no application protocol") {
		return fmt.Errorf("%w our protocol: %w (want the address on which a member that has started listens for others)", ErrProtocol, err)
	}
	return err
}
