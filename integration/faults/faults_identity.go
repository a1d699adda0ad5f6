package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/stream/wire"
	"github.com/hansa-mcs/hansa/federation/trust"
)

func strangers(timers) []fault {
	return []fault{sameID(), speaksForOthers(), badCertificates()}
}

func sameID() fault {
	return fault{
		id: "41", title: "a second cluster joins with the ID of one that is there",
		sees:     "nothing; the second one says why it is not let in",
		holds:    "the first one is not disturbed and goes on changing; of the second one nothing is taken, with the certificate of that ID and without",
		clusters: []string{"east", "west", "north"},
		options: func(r *run, cluster string, o *agent.Options) {
			if cluster == "north" && r.kept["impostor"] != nil {
				o.Cluster = "west"
				r.optioned = errors.Join(r.optioned, r.ca.write("west", o))
			}
		},
		steps: []step{
			exports("west", "web", "10.2.0.1"), hasNamespace("east"), uses("east", "web", "10.2.0.1"),
			claims("mallory", "west", "east"), losesNothing,
			killsAgents("north"), exports("north", "web", "10.3.0.1"), exports("north", "forged", "10.3.0.9"),
			neverFinds("web", "10.3.0.1"), forgetsItself("north"), becomesImpostor("north"), logs("north", "msg=leading", 2), lasts(20 * time.Second),
			finds("east", "web", "10.2.0.1"),
			timed("a change of the first one arrives in", 5*time.Second, change("west", "east", "web", "10.2.0.1", 2)),
			expect("nothing of the second one is held", func(ctx context.Context, r *run) (bool, error) {
				held, err := r.held(ctx, "east")
				return !strings.Contains(strings.Join(held, ","), "10.3."), err
			}),
			losesNothing,
		},
	}
}

// forgetsItself makes a cluster a new one: nothing is left of what its agent remembered.
func forgetsItself(cluster string) step {
	return func(ctx context.Context, r *run) error {
		state := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: agent.Defaults().Namespace, Name: "hansa-state"}}
		return r.delete(ctx, cluster, state)
	}
}

// becomesImpostor starts the agent of a cluster as another one's.
func becomesImpostor(cluster string) step {
	return func(_ context.Context, r *run) error {
		r.kept["impostor"] = true
		return r.pairs[cluster][0].LaunchAgent()
	}
}

// claims has a member say in its hello that it is another one; the stream must be ended.
func claims(member, other, to string) step {
	return refusedStream(member, to, func(s *rawStream) error { return s.hello(other) })
}

// refusedStream opens a stream as a member, says something, and demands that the other side ends the stream.
func refusedStream(member, to string, say func(*rawStream) error) step {
	return func(ctx context.Context, r *run) error {
		reason, err := r.endedStream(ctx, member, to, say)
		r.tell("%s ended the stream of %s: %v", to, member, reason)
		return err
	}
}

// endedStream is refusedStream without a word, for what is done again and again.
func endedStream(member, to string, say func(*rawStream) error) step {
	return func(ctx context.Context, r *run) error {
		_, err := r.endedStream(ctx, member, to, say)
		return err
	}
}

// endedStream opens a stream as a member, says something, and returns why the other side ended it.
func (r *run) endedStream(ctx context.Context, member, to string, say func(*rawStream) error) (reason, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	id, err := r.identity(member)
	if err != nil {
		return nil, err
	}
	s, err := r.open(ctx, id, to)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := say(s); err != nil {
		return nil, err
	}
	return s.ended(ctx)
}

func speaksForOthers() fault {
	forged := func(owner string) *wire.Update {
		now := uint64(time.Now().Add(time.Minute).UnixMilli())
		return &wire.Update{Owner: owner, To: &wire.Version{Term: now, Seq: 5}, Digest: 1, Put: []*wire.Export{{
			Name: &wire.Name{Namespace: namespace, Name: "web"}, Type: wire.Type_TYPE_CLUSTER_SET_IP, Hash: 1,
			Subsets: []*wire.Subset{{Endpoints: []*wire.Endpoint{{Address: []byte{10, 66, 6, 6}, Ready: true, Serving: true}}}},
		}}}
	}
	withdrawal := func() *wire.Update {
		now := uint64(time.Now().Add(time.Minute).UnixMilli())
		return &wire.Update{
			Owner: "east", From: &wire.Version{Term: 1, Seq: 1}, To: &wire.Version{Term: now, Seq: 6},
			Withdrawn: []*wire.Name{{Namespace: namespace, Name: "web"}},
		}
	}
	as := func(u *wire.Update) func(*rawStream) error {
		return func(s *rawStream) error { return errors.Join(s.hello("mallory"), s.update(u)) }
	}
	return fault{
		id: "42", title: "a member speaks for another one, withdraws what is another's, and says by gossip that a live one is dead",
		sees:     "nothing",
		holds:    "each such stream is ended, nothing of it is taken, and whom gossip calls dead says that it lives and is served all the while",
		clusters: []string{"east", "west"},
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"), neverFinds("web", "10.66.6.6"), joins("mallory", "own", "10.9.0.1"), agree("east", "west"),
			claims("mallory", "east", "west"),
			refusedStream("mallory", "west", as(forged("east"))), refusedStream("mallory", "west", as(forged("west"))), refusedStream("mallory", "west", as(withdrawal())),
			shows("west", refusedOf("mallory", "foreign"), above(2)),
			saysDead("mallory", "east", "west"), logs("west", "member gone", 1), keeps(10*time.Second, "west", aliveIn("east"), is(1)),
			timed("a change of the one that was called dead arrives in", 2*time.Second, change("east", "west", "web", "10.1.0.1", 2)),
			shows("west", members, is(2)), agree("east", "west"), losesNothing,
		},
	}
}

// saysDead has a member say by gossip that another one is dead, in an incarnation far ahead.
func saysDead(member, other, to string) step {
	return func(ctx context.Context, r *run) error {
		n := r.node(member)
		name, self := "", ""
		for _, m := range n.gossip.Members() {
			if string(m.Cluster) == other {
				name = m.Node
			}
			self = m.Node // any node will do as the one who suspects
		}
		if name == "" {
			return fmt.Errorf("%s does not know %s: %w", member, other, errUnwanted)
		}
		address, err := r.net.front(to)
		if err != nil {
			return err
		}
		conn, err := n.identity.Dial(ctx, address, federation.ClusterID(to), trust.ProtoGossip)
		if err != nil {
			return err
		}
		r.atEnd(func() { _ = conn.Close() })
		packet := deadPacket(1000, name, self)
		frame := append([]byte{'P'}, binary.BigEndian.AppendUint16(nil, uint16(len(packet)))...)
		_, err = conn.Write(append(frame, packet...))
		return err
	}
}

// deadPacket is memberlist's message that a node is dead: its type, and a map in MessagePack.
func deadPacket(incarnation uint16, node, from string) []byte {
	text := func(b []byte, s string) []byte { return append(append(b, 0xda, byte(len(s)>>8), byte(len(s))), s...) }
	b := []byte{5, 0x83}
	b = binary.BigEndian.AppendUint16(append(text(b, "Incarnation"), 0xcd), incarnation)
	return text(text(text(text(b, "Node"), node), "From"), from)
}

// badCertificate is one that must be refused.
type badCertificate struct {
	what   string
	change func(*x509.Certificate)
}

var badOnes = []badCertificate{
	{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }},
	{"not valid yet", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(30 * time.Minute) }},
	{"with two names", func(c *x509.Certificate) { c.URIs = uris(memberURI("mallory"), memberURI("east")) }},
	{"with a DNS name beside", func(c *x509.Certificate) { c.DNSNames = []string{"east.example.org"} }},
	{"for all clusters", func(c *x509.Certificate) { c.URIs = uris(memberURI("*")) }},
	{"of another clusterset", func(c *x509.Certificate) { c.URIs = uris("spiffe://other/cluster/mallory") }},
	{"without a name", func(c *x509.Certificate) { c.URIs = nil }},
	{"for servers alone", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }},
	{"of a CA", func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true }},
}

// expiresIn is the rest of a certificate's life that runs out while a stream is open.
const expiresIn = 25 * time.Second

func badCertificates() fault {
	return fault{
		id: "43", title: "certificates that are expired, of another CA, or name too much; one that expires in use; a new CA",
		sees:     "nothing; who shows such a certificate is refused, with the reason in the log",
		holds:    "all are refused; a stream that is open outlives its certificate, and a new one is made only with a good one; with old and new CA side by side nobody notices the change, agent after agent (evictions are not built yet)",
		clusters: []string{"east", "west"}, twins: true,
		steps: []step{
			exports("east", "web", "10.1.0.1"), hasNamespace("west"), uses("west", "web", "10.1.0.1"),
			refusesBadOnes("west"), finds("west", "web", "10.1.0.1"), losesNothing,
			expiresWhileOpen("east", "west"), losesNothing,
			newCA, rolls("east"), rolls("west"), newCertificates, rolls("east"), rolls("west"), onlyNewCA, rolls("east"), rolls("west"),
			timed("after the change of the CA a change arrives in", reunited, change("east", "west", "web", "10.1.0.1", 3)),
			losesNothing,
		},
	}
}

func refusesBadOnes(to string) step {
	return func(ctx context.Context, r *run) error {
		stranger, err := newAuthority(r.dir)
		if err != nil {
			return err
		}
		for _, bad := range append(badOnes, badCertificate{"of another CA", nil}) {
			ca, change := r.ca, bad.change
			if change == nil {
				ca, change = stranger, func(*x509.Certificate) {}
			}
			cert, err := ca.forge("mallory", change)
			if err != nil {
				return fmt.Errorf("making a certificate %s: %w", bad.what, err)
			}
			err = r.knock(ctx, to, cert)
			r.tell("a certificate %s: %v", bad.what, err)
			if err == nil || os.IsTimeout(err) {
				return fmt.Errorf("a certificate %s is let in: %w", bad.what, errUnwanted)
			}
		}
		good, err := r.ca.forge("mallory", func(*x509.Certificate) {})
		if err != nil {
			return err
		}
		if err := r.knock(ctx, to, good); err != nil && !os.IsTimeout(err) {
			return fmt.Errorf("a good certificate is refused, so nothing is proved: %w", err)
		}
		return nil
	}
}

// expiresWhileOpen gives a cluster a certificate that expires soon, and a good one when it has.
func expiresWhileOpen(cluster, other string) step {
	return func(ctx context.Context, r *run) error {
		good, err := r.ca.forge(cluster, func(*x509.Certificate) {})
		if err != nil {
			return err
		}
		end := time.Now().Add(expiresIn)
		short, err := r.ca.forge(cluster, func(c *x509.Certificate) { c.NotAfter = end })
		if err != nil {
			return err
		}
		restart := func(cert tls.Certificate) error {
			if err := r.ca.install(cluster, cert); err != nil {
				return err
			}
			return rolls(cluster)(ctx, r)
		}
		if err := restart(short); err != nil {
			return err
		}
		if err := all(shows(other, aliveIn(cluster), is(1)), lasts(time.Until(end.Add(2*time.Second))), keeps(5*time.Second, other, aliveIn(cluster), is(1)),
			timed("after the certificate expired a change arrives on the open stream in", 2*time.Second, change(cluster, other, "web", "10.1.0.1", 2)),
			cutsAll, timed("cut then, it is shown as unreachable after", noticed, shows(other, aliveIn(cluster), is(0))), keeps(5*time.Second, other, aliveIn(cluster), is(0)),
		)(ctx, r); err != nil {
			return err
		}
		if err := restart(good); err != nil {
			return err
		}
		return timed("with a good certificate it is heard in", reunited, shows(other, aliveIn(cluster), is(1)))(ctx, r)
	}
}

// rolls restarts the agents of a cluster, one after the other, each when the one before is ready.
func rolls(cluster string) step {
	return func(ctx context.Context, r *run) error {
		for _, m := range r.pairs[cluster] {
			if err := m.RestartAgent(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// newCA makes another CA, which all trust beside the old one.
func newCA(_ context.Context, r *run) error {
	next, err := newAuthority(r.dir)
	if err != nil {
		return err
	}
	r.kept["next CA"] = next
	return r.trustOnly(string(r.ca.trust.CAPEM()) + string(next.trust.CAPEM()))
}

// trustOnly replaces the CA bundle of all clusters.
func (r *run) trustOnly(bundle string) error {
	for _, cluster := range r.clusters {
		f, err := r.ca.files(cluster)
		if err != nil {
			return err
		}
		if err := os.WriteFile(f.CA, []byte(bundle), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// newCertificates gives all members certificates of the new CA.
func newCertificates(_ context.Context, r *run) error {
	next, ok := r.kept["next CA"].(*authority)
	if !ok {
		return fmt.Errorf("there is no new CA: %w", errUnwanted)
	}
	for _, cluster := range r.clusters {
		cert, err := next.forge(cluster, func(*x509.Certificate) {})
		if err != nil {
			return err
		}
		if err := r.ca.install(cluster, cert); err != nil {
			return err
		}
	}
	return nil
}

// onlyNewCA ends the trust in the old one.
func onlyNewCA(_ context.Context, r *run) error {
	return r.trustOnly(string(r.kept["next CA"].(*authority).trust.CAPEM()))
}
