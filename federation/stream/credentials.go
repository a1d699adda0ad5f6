package stream

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	grpctap "google.golang.org/grpc/tap"

	"github.com/hansa-mcs/hansa/federation"
)

// handshaken are gRPC's credentials for connections whose TLS handshake was done before gRPC sees them.
type handshaken struct{}

// peerInfo is what a handler learns of the peer.
type peerInfo struct {
	credentials.CommonAuthInfo
	cluster federation.ClusterID
	conn    net.Conn
	begun   *atomic.Int32 // streams on it
}

// maxStreams bounds how many streams are begun on one connection, for as long as it lasts: a member begins one, and a
// few when it is told to wait. Who opens and resets them without end has to shake hands again.
const maxStreams = 64

// countStream ends a connection on which too many streams begin. It is called before anything is spent on one.
func countStream(ctx context.Context, _ *grpctap.Info) (context.Context, error) {
	if p, ok := peer.FromContext(ctx); ok {
		if info, ok := p.AuthInfo.(peerInfo); ok && info.begun.Add(1) > maxStreams {
			_ = info.conn.Close()
			return nil, status.Errorf(codes.ResourceExhausted, "more than %d streams on one connection", maxStreams)
		}
	}
	return ctx, nil
}

// AuthType implements credentials.AuthInfo.
func (peerInfo) AuthType() string { return "tls" }

// ServerHandshake implements credentials.TransportCredentials.
func (handshaken) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	authenticated, ok := conn.(Conn)
	if !ok {
		return nil, nil, fmt.Errorf("connection of %s is not authenticated", conn.RemoteAddr())
	}
	return conn, peerInfo{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		cluster:        authenticated.Peer(),
		conn:           conn,
		begun:          &atomic.Int32{},
	}, nil
}

// ClientHandshake implements credentials.TransportCredentials.
func (h handshaken) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return h.ServerHandshake(conn)
}

// Info implements credentials.TransportCredentials.
func (handshaken) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (h handshaken) Clone() credentials.TransportCredentials { return h }

// OverrideServerName implements credentials.TransportCredentials; the name comes from the certificate.
func (handshaken) OverrideServerName(string) error { return nil }
