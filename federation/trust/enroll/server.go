package enroll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// Tokens keeps the records of tokens. *secrets.Secrets is one.
type Tokens interface {
	// Change lets change turn the record of a token into another, and keeps that unless it is the same.
	// It calls change again with the newer record if somebody else changed it meanwhile: no use is lost.
	// An error of change is returned as it is, and nothing is kept. Without such a record it returns
	// ErrNoToken.
	Change(ctx context.Context, id trust.TokenID, change func(Record) (Record, error)) error
}

// ErrNoToken is what Tokens says of a token that it has no record of.
var ErrNoToken = errors.New("there is no such token")

// Clusters knows whose the cluster IDs are.
type Clusters interface {
	// Claim gives a cluster ID to the cluster whose namespace kube-system has the UID. It returns ErrTaken
	// if another has it: a member that has not left, or one that claimed it before and may be about to
	// come. Of a member whose UID is not known that is said too, unless it is proven, ByCertificate,
	// that who asks is the member. A claim is remembered as long as a cluster may take from its certificate
	// to its first word. An ID that has a member is no unused one: by a token that is for any, it returns ErrMember even
	// if the UID is the member's, as a UID is no secret.
	Claim(ctx context.Context, cluster federation.ClusterID, uid string, by Proof) error
}

// Proof is what somebody has who claims a cluster ID.
type Proof int

// From the least on.
const (
	ByToken       Proof = iota // for any unused ID
	ByBoundToken               // for this one
	ByCertificate              // of the cluster itself
)

// ErrMember is what Clusters says of an ID that a member has, and that a token for it alone opens.
var ErrMember = errors.New("a member has this ID")

// ErrTaken is what Clusters says of an ID that another cluster has.
var ErrTaken = errors.New("another cluster has this ID")

// AwaitedError is the ErrTaken of an ID whose cluster has a certificate and has not come yet.
type AwaitedError struct {
	Since time.Time // when it got the certificate
	Until time.Time // how long the ID is kept for it
}

// Error implements error.
func (e *AwaitedError) Error() string {
	return fmt.Sprintf("it was given to another cluster at %s, which has not come yet; it is kept for that one until %s, or until another agent leads that member", stamp(e.Since), stamp(e.Until))
}

// Unwrap returns ErrTaken.
func (e *AwaitedError) Unwrap() error { return ErrTaken }

// Config is what a Server works with.
type Config struct {
	// Listener is the port's, of trust.ProtoJoin. The server closes it.
	Listener net.Listener
	Identity *trust.Identity
	// Authority returns the clusterset's CA, nil if this cluster does not hold its key.
	Authority func(context.Context) (*trust.Authority, error)
	Tokens    Tokens
	Clusters  Clusters
	// Addresses returns host:port of members for a cluster to begin with.
	Addresses func() []string
	Log       *slog.Logger
}

// Server answers who wants to join or to renew.
type Server struct {
	config Config
	limits *limits
	crowd  *crowd

	joined  atomic.Uint64
	renewed atomic.Uint64
	silent  atomic.Uint64

	mu      sync.Mutex
	refused map[Code]uint64 // as in Stats
}

// Stats counts since the start.
type Stats struct {
	Joined  uint64 // certificates given for tokens
	Renewed uint64 // certificates given for certificates
	Silent  uint64 // connections without a request
	// Refused are requests that were answered with a Refusal, by each Code that a member says, 0 too.
	Refused map[Code]uint64
}

// NewServer returns a server that Start lets work.
func NewServer(config Config) *Server {
	s := &Server{config: config, limits: newLimits(), crowd: newCrowd(), refused: map[Code]uint64{}}
	for _, c := range Codes() {
		if c.said() {
			s.refused[c] = 0
		}
	}
	return s
}

// Stats returns what the server counted. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Joined: s.joined.Load(), Renewed: s.renewed.Load(), Silent: s.silent.Load(), Refused: maps.Clone(s.refused)}
}

// Start answers until ctx or the listener ends, and returns nil once nobody is being answered. It is
// called once.
func (s *Server) Start(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer s.crowd.wait()
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.config.Listener.Close() })()
	for {
		conn, err := s.config.Listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept who wants to join: %w", err)
		}
		s.crowd.enter(ctx, func(ctx context.Context) { s.talk(ctx, conn) })
	}
}

// talk reads one request and writes one reply.
func (s *Server) talk(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	g := guestOf(conn)
	admitted := s.limits.admit(g.source, g.member(), time.Now())
	var r request
	err := readFrame(conn, &r, maxRequest) // also of who was not admitted: to close before it is read would lose the reply
	bad, isBad := errors.AsType[malformed](err)
	switch {
	case isBad:
		err = refuse(Invalid, "the request cannot be used: %v", bad)
	case err != nil:
		s.silent.Add(1)
		s.config.Log.DebugContext(ctx, "who wanted to join asked nothing", "peer", g.address, "error", err)
		return
	case !admitted:
		err = refuse(Busy, "too many want to join just now, or this one asked too often: try again in a minute")
	}
	var answer reply
	if err == nil {
		answer, err = s.answer(ctx, g, r)
	}
	if err != nil {
		answer = s.excuse(ctx, g, r, err)
	}
	if err := writeFrame(conn, answer, maxReply); err != nil {
		s.config.Log.WarnContext(ctx, "who wanted to join did not hear the answer", "peer", g.address, "error", err)
	}
}

// answer returns the reply to a request, or a Refusal, or why it could not find out.
func (s *Server) answer(ctx context.Context, g guest, r request) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, thinkTime)
	defer cancel()
	a, err := r.check(s.config.Identity.Clusterset())
	if err != nil {
		return reply{}, err
	}
	ca, err := s.config.Authority(ctx)
	if err != nil {
		return reply{}, fmt.Errorf("read the CA: %w", err)
	}
	if ca == nil {
		return reply{}, refuse(NoCA, "this member does not hold the clusterset's CA: ask one that does, such as the one where the token was made")
	}
	if a.renews {
		err = s.renew(ctx, g, a)
	} else {
		err = s.redeem(ctx, g, a)
	}
	if err != nil {
		return reply{}, err
	}
	return s.grant(ctx, g, a, ca)
}

// grant signs what may be signed.
func (s *Server) grant(ctx context.Context, g guest, a asked, ca *trust.Authority) (reply, error) {
	cert, err := ca.Sign(a.csr, time.Now())
	if err != nil {
		return reply{}, err
	}
	if a.renews {
		s.renewed.Add(1)
		s.config.Log.InfoContext(ctx, "gave a member a new certificate", "cluster", a.cluster(), "uid", a.uid, "peer", g.address)
	} else {
		s.joined.Add(1)
		s.config.Log.InfoContext(ctx, "gave a cluster that joins its certificate", "cluster", a.cluster(), "uid", a.uid, "peer", g.address, "token", a.token.String())
	}
	return reply{Certificate: string(cert), CA: string(bundle(s.config.Identity.Credentials().CA, ca.CAPEM())), Addresses: s.config.Addresses()}, nil
}

// count counts a Refusal.
func (s *Server) count(code Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[code]++
}

// excuse returns the reply that says why there is no certificate. What went wrong here is for our own log.
func (s *Server) excuse(ctx context.Context, g guest, r request, err error) reply {
	refusal, ok := errors.AsType[*Refusal](err)
	if !ok {
		s.count(Failed)
		s.config.Log.ErrorContext(ctx, "could not answer who wants to join", "peer", g.address, "cluster", clip(r.Cluster), "error", err)
		return reply{Code: Failed, Message: "this member could not find out whether to let you in, its log says why: try again, or ask another member"}
	}
	s.count(refusal.Code)
	level := slog.LevelWarn
	if refusal.Code == Busy {
		level = slog.LevelDebug // anybody can cause any number of them
	}
	s.config.Log.Log(ctx, level, "refused who wanted to join", "peer", g.address, "cluster", clip(r.Cluster), "code", string(refusal.Code), "reason", refusal.Message)
	return reply{Code: refusal.Code, Message: refusal.Message}
}
