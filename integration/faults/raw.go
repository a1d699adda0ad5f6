package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// rawStream is a stream of the wire on which a fault says what it wants.
type rawStream struct {
	grpc.BidiStreamingClient[wire.Frame, wire.Frame]
	conn *grpc.ClientConn
}

// open connects to the front of a cluster with an identity, and opens a stream.
func (r *run) open(ctx context.Context, id *trust.Identity, to string) (*rawStream, error) {
	address, err := r.net.front(to)
	if err != nil {
		return nil, err
	}
	conn, err := grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // the connection is TLS already
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return id.Dial(ctx, address, federation.ClusterID(to), trust.ProtoGRPC)
		}),
	)
	if err != nil {
		return nil, err
	}
	s, err := wire.NewFederationClient(conn).Exchange(ctx)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &rawStream{s, conn}, nil
}

// close ends the stream.
func (s *rawStream) close() { _ = s.conn.Close() }

// hello says who speaks, whatever the certificate says.
func (s *rawStream) hello(cluster string) error {
	return s.Send(&wire.Frame{Kind: &wire.Frame_Hello{Hello: &wire.Hello{
		MinVersion: 1, MaxVersion: 1, Cluster: cluster, Speaks: &wire.Version{Term: uint64(time.Now().UnixMilli()), Seq: 1},
	}}})
}

// update sends one message in chunks.
func (s *rawStream) update(u *wire.Update) error {
	data, err := proto.Marshal(&wire.Message{Kind: &wire.Message_Update{Update: u}})
	if err != nil {
		return err
	}
	const most = 32 << 10
	for first := true; first || len(data) > 0; first = false {
		n := min(most, len(data))
		chunk := &wire.Chunk{Data: data[:n], First: first, Last: n == len(data)}
		if err := s.Send(&wire.Frame{Kind: &wire.Frame_Chunk{Chunk: chunk}}); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// ended waits until the other side ends the stream, and returns why.
func (s *rawStream) ended(ctx context.Context) (reason error, err error) {
	got := make(chan error, 1)
	go func() {
		for {
			if _, err := s.Recv(); err != nil {
				got <- err
				return
			}
		}
	}()
	select {
	case reason := <-got:
		return reason, nil
	case <-ctx.Done():
		s.close()
		<-got
		return nil, fmt.Errorf("the stream is not ended: %w", ctx.Err())
	}
}

// knock does a TLS handshake with the front of a cluster and returns what becomes of the connection: an error if it
// is refused, which TLS 1.3 tells a client by the first read.
func (r *run) knock(ctx context.Context, to string, cert tls.Certificate) error {
	address, err := r.net.front(to)
	if err != nil {
		return err
	}
	dialer := tls.Dialer{Config: &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{trust.ProtoGRPC},
		Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true, //nolint:gosec // it is the enemy who connects
	}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1)) // an HTTP/2 server speaks first
	if errors.Is(err, io.EOF) {
		err = errors.New("closed")
	}
	return err
}
