package stream

import (
	"context"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"

	"github.com/hansa-mcs/hansa/federation"
)

// handshaken are gRPC's credentials for connections whose TLS handshake was done before gRPC sees them.
type handshaken struct{}

// peerInfo is what a handler learns of the peer.
type peerInfo struct {
	credentials.CommonAuthInfo
	cluster federation.ClusterID
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
