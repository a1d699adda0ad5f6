package dns

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/importer"
)

// Config is what a Server needs. View and Ready are required.
type Config struct {
	Address string        // host:port for UDP and TCP; port 0 takes a free one
	Zone    string        // DefaultZone if empty
	TTL     time.Duration // of answers, in whole seconds; DefaultTTL if 0

	// View returns the newest View, and must not block. It is called once for each question.
	View func() *importer.View
	// Ready closes when Views are for clients to see; until then every name is SERVFAIL.
	Ready <-chan struct{}
	// Settled closes once all known clusters were heard, or were waited for long enough; from Ready
	// until then a name that the View lacks is SERVFAIL. Nil means that there is nothing to wait for.
	Settled <-chan struct{}

	Log *slog.Logger // nothing is logged if nil
}

// Server answers questions on one address. It holds the address from New until Start returns.
type Server struct {
	zone     Zone
	view     func() *importer.View
	ready    <-chan struct{}
	settled  <-chan struct{}
	log      *slog.Logger
	listener net.Listener
	packets  net.PacketConn
}

// New binds the address, so an address that is taken or wrong fails here; nothing is answered before
// Start. Whoever gets a Server must call Start, with an ended context if need be, to let go of the
// address.
func New(c Config) (*Server, error) {
	zone, err := ParseZone(cmp.Or(c.Zone, DefaultZone), cmp.Or(c.TTL, DefaultTTL))
	if err != nil {
		return nil, err
	}
	if c.View == nil || c.Ready == nil {
		return nil, errors.New("DNS: View and Ready must be given")
	}
	s := &Server{
		zone:    zone,
		view:    c.View,
		ready:   c.Ready,
		settled: c.Settled,
		log:     cmp.Or(c.Log, slog.New(slog.DiscardHandler)),
	}
	if s.settled == nil {
		s.settled = c.Ready
	}
	if s.listener, s.packets, err = listen(c.Address); err != nil {
		return nil, err
	}
	return s, nil
}

// Addr returns the address that is bound: for TCP, and with the same port for UDP.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start serves until ctx ends, which is no error, or a socket fails. It may be called once; nothing of
// the Server runs after it returned.
func (s *Server) Start(ctx context.Context) error {
	defer s.listener.Close()
	defer s.packets.Close()
	s.log.Info("answering DNS", "address", s.Addr().String(), "zone", s.zone.String())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return serve(ctx, s.server(&dns.Server{PacketConn: s.packets}, false)) })
	g.Go(func() error { return serve(ctx, s.server(&dns.Server{Listener: s.listener}, true)) })
	return g.Wait()
}

// server completes a dns.Server with what both transports have in common.
func (s *Server) server(d *dns.Server, tcp bool) *dns.Server {
	d.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, request *dns.Msg) { s.handle(w, request, tcp) })
	d.MsgAcceptFunc = accept
	d.UDPSize = maxUDPSize
	d.ReadTimeout = readTimeout
	d.IdleTimeout = func() time.Duration { return idleTimeout }
	return d
}

// serve runs d until ctx ends and all that d started has ended.
func serve(ctx context.Context, d *dns.Server) error {
	started, done := make(chan struct{}), make(chan error, 1)
	d.NotifyStartedFunc = func() { close(started) }
	go func() { done <- d.ActivateAndServe() }()
	select {
	case <-started:
	case err := <-done:
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.Join(d.Shutdown(), <-done)
	}
}

// handle answers one request. The View is taken once, so a reply is of one revision, and after the
// knowledge, so what is known holds for it.
func (s *Server) handle(w dns.ResponseWriter, request *dns.Msg, tcp bool) {
	known := s.knowledge()
	view := s.view()
	reply := respond(request, tcp, func(q dns.Question) Reply { return Answer(view, known, s.zone, q) })
	wire, err := reply.Pack()
	if err == nil {
		_, err = w.Write(wire)
	}
	if err != nil {
		s.log.Debug("answering DNS", "peer", w.RemoteAddr().String(), "error", err)
	}
}

func (s *Server) knowledge() Knowledge {
	switch {
	case !closed(s.ready):
		return Nothing
	case !closed(s.settled):
		return Partial
	}
	return Complete
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
