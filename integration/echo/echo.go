// Package echo is a backend that says who it is, by HTTP and by gRPC, so that a client can tell which
// cluster answered. Demo, benchmarks and tests put it behind Services.
package echo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Server answers every request with its own name.
type Server struct {
	testpb.UnimplementedTestServiceServer

	// Name is what it says, for example the name of its cluster.
	Name string
	// HTTP and GRPC are where it listens.
	HTTP, GRPC netip.AddrPort

	http    *http.Server
	grpc    *grpc.Server
	serving sync.WaitGroup
}

// Start listens on free ports of address and serves until Stop.
func Start(name string, address netip.Addr) (*Server, error) {
	s := &Server{Name: name, grpc: grpc.NewServer()}
	s.http = &http.Server{Handler: http.HandlerFunc(s.answer)}
	testpb.RegisterTestServiceServer(s.grpc, s)
	web, at, err := listen(address)
	if err != nil {
		return nil, err
	}
	s.HTTP = at
	rpc, at, err := listen(address)
	if err != nil {
		return nil, errors.Join(err, web.Close())
	}
	s.GRPC = at
	s.serving.Go(func() { _ = s.http.Serve(web) })
	s.serving.Go(func() { _ = s.grpc.Serve(rpc) })
	return s, nil
}

// Stop ends the server and waits for it.
func (s *Server) Stop() {
	_ = s.http.Close()
	s.grpc.Stop()
	s.serving.Wait()
}

// Drain ends the server as one ends that is asked to: it takes no new connections and requests, and answers those under way.
func (s *Server) Drain() {
	_ = s.http.Shutdown(context.Background())
	s.grpc.GracefulStop()
	s.serving.Wait()
}

func (s *Server) answer(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, s.Name) }

// UnaryCall returns the server's name as ServerId.
func (s *Server) UnaryCall(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{ServerId: s.Name}, nil
}

func listen(address netip.Addr) (net.Listener, netip.AddrPort, error) {
	l, err := net.Listen("tcp", netip.AddrPortFrom(address, 0).String())
	if err != nil {
		return nil, netip.AddrPort{}, fmt.Errorf("listening for an echo server: %w", err)
	}
	at, err := netip.ParseAddrPort(l.Addr().String())
	return l, at, err
}
