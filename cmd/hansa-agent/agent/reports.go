package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/report"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// maxOthers bounds the connections of other members, which are told that they may not ask: they take none from those who may.
const maxOthers = 8

// reportServer answers by trust.ProtoReport, on the port where other members connect, what is asked of this agent: of whoever
// holds this cluster's own certificate, and of nobody else, on this machine too. A standby's port passes connections on, so
// that the leader answers.
type reportServer struct {
	listener net.Listener
	server   *http.Server
	open     sync.WaitGroup // connections
}

// newReportServer takes connections from a listener of trust.ProtoReport; Start serves.
func newReportServer(listener net.Listener, own federation.ClusterID, scene func(time.Time) *report.Scene, log *slog.Logger) *reportServer {
	s := &reportServer{
		listener: &visits{Listener: listener, own: own, ours: make(chan struct{}, maxConnections), others: make(chan struct{}, maxOthers)},
		server:   patientServer(report.Handler(scene, ownCluster(own))),
	}
	s.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelError) // of a panic alone
	s.server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		return context.WithValue(ctx, peerKey{}, conn.(*visit).peer)
	}
	s.server.ConnState = func(_ net.Conn, is http.ConnState) {
		switch is {
		case http.StateNew:
			s.open.Add(1)
		case http.StateClosed:
			s.open.Done()
		}
	}
	return s
}

// Start serves until ctx ends, and returns when no answer is being made any more.
func (s *reportServer) Start(ctx context.Context) error {
	defer s.open.Wait()
	stop := context.AfterFunc(ctx, func() { _ = s.server.Close() })
	defer stop()
	err := s.server.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) { // the port may end first
		_ = s.server.Close()
		return nil
	}
	return fmt.Errorf("serving reports: %w", err)
}

// peerKey is that of the cluster whose certificate was shown, in a request's context.
type peerKey struct{}

// ownCluster is the report.Gatekeeper that admits who shows a certificate of this cluster.
type ownCluster federation.ClusterID

// Admit implements report.Gatekeeper.
func (own ownCluster) Admit(r *http.Request) error {
	switch peer, _ := r.Context().Value(peerKey{}).(federation.ClusterID); peer {
	case federation.ClusterID(own):
		return nil
	case "":
		return report.ErrUnknown
	default:
		return fmt.Errorf("this is cluster %s, and the certificate names cluster %s: want the certificate of cluster %s, as a member tells others nothing of itself but what it exports", own, peer, own)
	}
}

// visits accepts at most so many connections at once of this cluster, and so many of other members. One more is closed.
type visits struct {
	net.Listener
	own          federation.ClusterID
	ours, others chan struct{}
}

// Accept returns the next *visit.
func (v *visits) Accept() (net.Conn, error) {
	for {
		conn, err := v.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if visit := v.admit(conn); visit != nil {
			return visit, nil
		}
		_ = conn.Close()
	}
}

// admit returns a visit, nil if there are too many.
func (v *visits) admit(conn net.Conn) *visit {
	var peer federation.ClusterID
	if proven, ok := conn.(*trust.Conn); ok && proven.Stranger() == nil {
		peer = proven.Peer()
	}
	slots := v.others
	if peer == v.own {
		slots = v.ours
	}
	select {
	case slots <- struct{}{}:
		return &visit{Conn: conn, peer: peer, leave: sync.OnceFunc(func() { <-slots })}
	default:
		return nil
	}
}

// visit is a connection that has a slot until it is closed.
type visit struct {
	net.Conn
	peer  federation.ClusterID
	leave func()
}

// Close gives the slot back and closes the connection.
func (v *visit) Close() error {
	v.leave()
	return v.Conn.Close()
}
