package dns

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/importer"
)

// Config is what a Server needs. View and Ready are required.
type Config struct {
	Address   string               // host:port for UDP and TCP; port 0 takes a free one
	Zone      string               // DefaultZone if empty
	TTL       time.Duration        // of answers, in whole seconds; 0 when nobody may remember them
	Cluster   federation.ClusterID // this cluster, whose endpoints come first
	RateLimit int                  // questions per second that one client may ask, more are REFUSED; 0 for no limit

	// View returns the newest View, and must not block. It is called once for each question.
	View func() *importer.View
	// Ready closes when Views are for clients to see; until then every name is SERVFAIL.
	Ready <-chan struct{}
	// Settled closes once all known clusters were heard, or were waited for long enough; from Ready
	// until then a name that the View lacks is SERVFAIL. Nil means that there is nothing to wait for.
	Settled <-chan struct{}

	// Served is told of each reply, and Dropped of each message that has none. They must not block; nil for nobody.
	Served  func(Exchange)
	Dropped func(Drop)

	Log *slog.Logger // each reply at debug level; nothing is logged if nil
}

// Server answers questions on one address. It holds the address from New until Start returns.
type Server struct {
	zone     Zone
	view     func() *importer.View
	ready    <-chan struct{}
	settled  <-chan struct{}
	served   func(Exchange)
	dropped  func(Drop)
	limit    *limit
	log      *slog.Logger
	listener net.Listener
	packets  []*net.UDPConn
}

const (
	maxSockets = 8       // for UDP; more than a network brings questions for
	cacheBytes = 8 << 20 // of packed replies, for each socket, and for TCP
)

// New binds the address, so an address that is taken or wrong fails here; nothing is answered before
// Start. Whoever gets a Server must call Start, with an ended context if need be, to let go of the
// address.
func New(c Config) (*Server, error) {
	zone, err := ParseZone(cmp.Or(c.Zone, DefaultZone), c.TTL)
	if err != nil {
		return nil, err
	}
	if c.View == nil || c.Ready == nil {
		return nil, errors.New("DNS: View and Ready must be given")
	}
	if c.RateLimit < 0 {
		return nil, fmt.Errorf("DNS rate limit %d: want questions per second, or 0 for no limit", c.RateLimit)
	}
	zone.self = c.Cluster
	s := &Server{
		zone:    zone,
		view:    c.View,
		ready:   c.Ready,
		settled: c.Settled,
		served:  c.Served,
		dropped: c.Dropped,
		limit:   newLimit(c.RateLimit, time.Now()),
		log:     cmp.Or(c.Log, slog.New(slog.DiscardHandler)),
	}
	if s.settled == nil {
		s.settled = c.Ready
	}
	if s.listener, s.packets, err = listen(c.Address, sockets()); err != nil {
		return nil, err
	}
	return s, nil
}

// sockets returns how many read UDP: one for each core where the system can share an address.
func sockets() int {
	if controlSize == 0 {
		return 1
	}
	return min(runtime.GOMAXPROCS(0), maxSockets)
}

// Addr returns the address that is bound: for TCP, and with the same port for UDP.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Start serves until ctx ends, which is no error, or a socket is closed. It may be called once; nothing of
// the Server runs after it returned.
func (s *Server) Start(ctx context.Context) error {
	defer closeAll(s.listener, s.packets)
	s.log.Info("answering DNS", "address", s.Addr().String(), "zone", s.zone.String())
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range s.packets {
		g.Go(func() error { return s.newSocket(p).serve(ctx) })
	}
	g.Go(func() error { return s.serveTCP(ctx) })
	return g.Wait()
}

// state returns from what the next message is answered. The View is taken once, so a reply is of one revision, and after
// the knowledge, so what is known holds for it.
func (s *Server) state() state {
	known := s.knowledge()
	return state{view: s.view().Clusterset(), known: known}
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

func (s *Server) drop(why Drop) {
	if s.dropped != nil {
		s.dropped(why)
	}
}

// tell tells of a reply that was sent, or was not for that error: to whoever counts, and to the log.
func (s *Server) tell(wire []byte, peer netip.AddrPort, from origin, told Exchange, err error) {
	told.Took = time.Since(from.time)
	switch {
	case err != nil:
		s.drop(Unsent)
	case s.served != nil:
		s.served(told)
	}
	if !s.log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	name, _, unreadable := dns.UnpackDomainName(wire, headerSize)
	if unreadable != nil { // it was refused by its header
		name = ""
	}
	about := []any{"peer", netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()).String(), "name", name, "type", told.Type, "rcode", told.Rcode,
		"tcp", told.TCP, "truncated", told.Truncated, "limited", told.Limited, "bytes", told.Reply, "duration", told.Took}
	if err != nil {
		about = append(about, "error", err)
	}
	s.log.Debug("answered DNS", about...)
}

// breather is how long a socket rests that has trouble, such as that this process has no file descriptor left.
const breather = 50 * time.Millisecond

// rest waits until a socket may be tried again after an error, of which it tells. It reports whether it may: it may not
// when ctx ended or the socket is closed.
func (s *Server) rest(ctx context.Context, transport string, err error) bool {
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
		return false
	}
	s.log.Warn("DNS is in trouble, trying again", "transport", transport, "error", err)
	select {
	case <-time.After(breather):
		return true
	case <-ctx.Done():
		return false
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
