package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// guest is who asks.
type guest struct {
	cluster  federation.ClusterID // by its certificate, "" if it has proven nothing
	stranger error                // why it has proven nothing
	address  string
	source   string // by what its asks are counted
}

// member reports whether it has proven to be a member.
func (g guest) member() bool { return g.cluster != "" }

func guestOf(conn net.Conn) guest {
	g := guest{address: conn.RemoteAddr().String(), stranger: trust.ErrNoCertificate}
	if proven, ok := conn.(*trust.Conn); ok {
		g.cluster, g.stranger = proven.Peer(), proven.Stranger()
	}
	if g.source = "from " + network(conn.RemoteAddr()); g.member() {
		g.source = "cluster " + string(g.cluster)
	}
	return g
}

// network returns what one who asks has one of: an IPv4 address, or a /64 of IPv6.
func network(addr net.Addr) string {
	where, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return addr.String()
	}
	ip := where.Addr().Unmap().WithZone("")
	if ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.Prefix(64)
	if err != nil {
		return ip.String()
	}
	return prefix.String()
}

// redeem uses a token up, or returns a Refusal. The ID is claimed only by who has a good token, and before
// the use is kept: a refusal costs no use.
func (s *Server) redeem(ctx context.Context, g guest, a asked) error {
	use := Use{Cluster: a.cluster(), UID: a.uid, Key: a.csr.Key, At: time.Now()}
	err := s.config.Tokens.Change(ctx, a.token, func(r Record) (Record, error) {
		changed, err := r.Redeem(a.secret, use)
		if err != nil {
			return r, err
		}
		by := ByToken
		if r.Cluster != "" {
			by = ByBoundToken
		}
		return changed, s.claim(ctx, a, by)
	})
	if errors.Is(err, ErrNoToken) {
		err = unknownToken()
	}
	if CodeOf(err) == Unknown {
		s.limits.guessed(g.source, g.member(), time.Now())
	}
	if err != nil && CodeOf(err) == "" {
		return fmt.Errorf("redeem token %s: %w", a.token, err)
	}
	return err
}

// renew returns a Refusal unless the guest has proven to be the cluster whose certificate it wants.
func (s *Server) renew(ctx context.Context, g guest, a asked) error {
	if !g.member() {
		return refuse(Certificate, "to renew a certificate the one that is valid has to be shown: %v; let the cluster join again with a new token", g.stranger)
	}
	if g.cluster != a.cluster() {
		return refuse(Certificate, "cluster %s asks for a certificate of cluster %s: want the certificate of the cluster that is to be renewed, or a token", g.cluster, a.cluster())
	}
	return s.claim(ctx, a, ByCertificate)
}

func (s *Server) claim(ctx context.Context, a asked, by Proof) error {
	err := s.config.Clusters.Claim(ctx, a.cluster(), a.uid, by)
	if awaited, ok := errors.AsType[*AwaitedError](err); ok {
		return refuse(Taken, "the cluster ID %s is taken: %v; choose another ID, or wait", a.cluster(), awaited)
	}
	if errors.Is(err, ErrMember) {
		return refuse(Taken, "cluster %s is a member already, and this token is for an ID that is not used: make one for it by hansa token create --cluster %s", a.cluster(), a.cluster())
	}
	if errors.Is(err, ErrTaken) {
		return takenID(a.cluster())
	}
	return err
}

// bundle returns the CAs that a member trusts, and the one that signed among them.
func bundle(trusted, signed []byte) []byte {
	if bytes.Contains(trusted, bytes.TrimSpace(signed)) {
		return trusted
	}
	return append(append(bytes.TrimRight(bytes.Clone(trusted), "\n"), '\n'), signed...)
}

// clip keeps what a stranger sent from filling the log.
func clip(s string) string {
	const most = 64
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
