package xds

import (
	"context"
	"errors"
	"io"
	"log/slog"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
)

// streams moves messages between gRPC and sessions. The incremental variant is not implemented, and
// says so to clients.
type streams struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	*Server
}

type adsStream = discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer

// stream is one client. All but receive is of the handler's goroutine, the only one that sends.
type stream struct {
	server  *Server
	grpc    adsStream
	session *session
	mailbox *mailbox
	log     *slog.Logger
}

// StreamAggregatedResources serves one client until it goes or the server ends.
func (s *streams) StreamAggregatedResources(g adsStream) error {
	c := &stream{server: s.Server, grpc: g, session: newSession(), mailbox: newMailbox(), log: s.config.Log}
	if p, ok := peer.FromContext(g.Context()); ok {
		c.log = c.log.With("peer", p.Addr.String())
	}
	defer func() { s.store.leave(c.mailbox, c.session.end()) }()
	requests := make(chan *discoveryv3.DiscoveryRequest)
	ended := make(chan error, 1)
	s.receivers.Go(func() { ended <- receive(g, requests) })
	return c.serve(requests, ended)
}

// receive passes requests on, and returns when the stream ends: at the latest after its handler returned.
func receive(g adsStream, requests chan<- *discoveryv3.DiscoveryRequest) error {
	for {
		req, err := g.Recv()
		if err != nil {
			return err
		}
		select {
		case requests <- req:
		case <-g.Context().Done():
			return context.Cause(g.Context())
		}
	}
}

// serve is the loop of a stream. In each turn one of four things happens: the client asked, something
// that it subscribes to changed, it went, or we are stopping. Then it is sent what it may be sent.
func (c *stream) serve(requests <-chan *discoveryv3.DiscoveryRequest, ended <-chan error) error {
	for {
		select {
		case req := <-requests:
			if err := c.request(req); err != nil {
				return err
			}
		case <-c.mailbox.wake:
		case err := <-ended:
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		case <-c.server.stopping:
			return status.Error(codes.Unavailable, "the xDS server is stopping")
		}
		c.session.update(c.server.store.take(c.mailbox))
		if err := c.send(); err != nil {
			return err
		}
	}
}

// request takes one request. Of types that are not served there is nothing to say.
func (c *stream) request(req *discoveryv3.DiscoveryRequest) error {
	k, ok := kindOf(req.GetTypeUrl())
	if !ok {
		return nil
	}
	if c.session.acknowledge(k, req) {
		c.server.refusals.Add(1)
		c.log.Warn("xDS client refused a response", "type", typeURLs[k], "version", clip(req.GetVersionInfo()),
			"error", clip(req.GetErrorDetail().GetMessage()))
	}
	in, err := c.session.subscribe(k, req.GetResourceNames())
	if err != nil {
		c.log.Warn("xDS client asks for too much", "error", err)
		return err
	}
	c.server.store.subscribe(c.mailbox, in)
	return nil
}

func (c *stream) send() error {
	for resp := c.session.next(); resp != nil; resp = c.session.next() {
		if err := c.grpc.Send(resp); err != nil {
			return err
		}
	}
	return nil
}

// clip keeps what a stranger sent from filling the log.
func clip(s string) string {
	if len(s) > 256 {
		return s[:256] + "…"
	}
	return s
}
