package enroll

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

const mesh = "mesh.example"

var quietLog = slog.New(slog.DiscardHandler)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// memory keeps records as an API server would: each change meets what is there.
type memory struct {
	mu      sync.Mutex
	records map[trust.TokenID]Record
	fails   error
	clashes int             // how many changes somebody else comes before
	changed chan struct{}   // one for each change that was kept, if not nil
	block   <-chan struct{} // a change waits for it, if not nil
	waiting chan<- struct{} // one for each that waits
}

func (m *memory) Change(ctx context.Context, id trust.TokenID, change func(Record) (Record, error)) error {
	if m.block != nil {
		m.waiting <- struct{}{}
		select {
		case <-m.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails != nil {
		return m.fails
	}
	r, ok := m.records[id]
	if !ok {
		return ErrNoToken
	}
	for ; m.clashes > 0; m.clashes-- {
		if _, err := change(r); err != nil {
			return fmt.Errorf("change token %s: %w", id, err)
		}
	}
	r, err := change(r)
	if err != nil {
		return fmt.Errorf("change token %s: %w", id, err)
	}
	m.records[id] = r
	if m.changed != nil {
		m.changed <- struct{}{}
	}
	return nil
}

func (m *memory) used(id trust.TokenID) []Use {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.records[id].Used
}

// register knows whose the cluster IDs are. An empty UID is one that is not known.
type register struct {
	mu      sync.Mutex
	uids    map[federation.ClusterID]string
	members map[federation.ClusterID]bool // that an open token does not open
	fails   error
}

func (r *register) Claim(_ context.Context, cluster federation.ClusterID, uid string, by Proof) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fails != nil {
		return r.fails
	}
	owner, known := r.uids[cluster]
	if known && owner != uid && (owner != "" || by != ByCertificate) {
		return fmt.Errorf("cluster %s: %w", cluster, ErrTaken)
	}
	if r.members[cluster] && by == ByToken {
		return fmt.Errorf("cluster %s: %w", cluster, ErrMember)
	}
	r.uids[cluster] = uid
	return nil
}

// scene is cluster east, which holds the CA, and all that a test asks of it.
type scene struct {
	t        *testing.T
	ca       *trust.Authority
	tokens   *memory
	clusters *register
	server   *Server
	address  string
	stop     func()
}

func newIdentity(t *testing.T, ca *trust.Authority, clusterset string, cluster federation.ClusterID) *trust.Identity {
	t.Helper()
	return must(trust.New(clusterset, cluster, must(ca.NewMember(cluster, time.Now()))(t)))(t)
}

// start runs the server of cluster east until the test ends.
func start(t *testing.T, change func(*Config)) *scene {
	t.Helper()
	s := &scene{
		t:        t,
		ca:       must(trust.NewAuthority(mesh, time.Now()))(t),
		tokens:   &memory{records: map[trust.TokenID]Record{}},
		clusters: &register{uids: map[federation.ClusterID]string{"east": "uid-east"}},
	}
	s.serve("east", change)
	return s
}

// serve runs a server of a cluster that shares the scene's tokens and register.
func (s *scene) serve(cluster federation.ClusterID, change func(*Config)) {
	s.t.Helper()
	id := newIdentity(s.t, s.ca, mesh, cluster)
	port := must(trust.Listen(s.t.Context(), "localhost:0", id, quietLog))(s.t)
	config := Config{
		Listener:  port.Listener(trust.ProtoJoin),
		Identity:  id,
		Authority: func(context.Context) (*trust.Authority, error) { return s.ca, nil },
		Tokens:    s.tokens,
		Clusters:  s.clusters,
		Addresses: func() []string { return []string{"east.example:8443"} },
		Log:       quietLog,
	}
	if change != nil {
		change(&config)
	}
	s.server, s.address = NewServer(config), port.Addr().String()
	s.stop = run(s.t, port.Start, s.server.Start)
}

// another runs a member besides, and returns its address.
func (s *scene) another(cluster federation.ClusterID, change func(*Config)) string {
	s.t.Helper()
	besides := *s
	besides.serve(cluster, change)
	return besides.address
}

// run starts what works until the test ends, or stop is called.
func run(t *testing.T, starts ...func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	for _, start := range starts {
		work.Go(func() {
			if err := start(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	stop = sync.OnceFunc(func() {
		cancel()
		work.Wait()
	})
	t.Cleanup(stop)
	return stop
}

// token makes a token that is kept, after a change to its record.
func (s *scene) token(cluster federation.ClusterID, change func(*Record)) trust.Token {
	s.t.Helper()
	token := must(s.ca.NewToken(cluster))(s.t)
	record := must(NewRecord(token, time.Now(), 15*time.Minute, 1))(s.t)
	if change != nil {
		change(&record)
	}
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.records[token.ID] = record
	return token
}

func applicant(t *testing.T, cluster federation.ClusterID) Applicant {
	t.Helper()
	return Applicant{Cluster: cluster, UID: "uid-" + string(cluster), Key: must(trust.NewKey())(t)}
}

// has checks what a membership makes of a cluster.
func (s *scene) has(m Membership, cluster federation.ClusterID) {
	s.t.Helper()
	id, err := trust.New(mesh, cluster, m.Credentials)
	if err != nil {
		s.t.Fatal(err)
	}
	conn, err := id.Dial(s.t.Context(), s.address, "east", trust.ProtoJoin) // any protocol would do
	if err != nil {
		s.t.Fatal(err)
	}
	conn.Close()
	if len(m.Addresses) != 1 || m.Addresses[0] != "east.example:8443" {
		s.t.Errorf("the addresses are %q", m.Addresses)
	}
}

// refuses checks that an error is a Refusal of a code.
func refuses(t *testing.T, what string, err error, want Code) {
	t.Helper()
	if CodeOf(err) != want {
		t.Errorf("%s: code %q of %v, want %q", what, CodeOf(err), err, want)
	}
}

// refusedInAll sums what was refused.
func refusedInAll(s Stats) (n uint64) {
	for _, of := range s.Refused {
		n += of
	}
	return n
}

// dial connects as a stranger with tools of its own would, with a certificate or none.
func dial(t *testing.T, address string, certs ...tls.Certificate) *tls.Conn {
	t.Helper()
	raw := must(net.Dial("tcp", address))(t)
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	conn := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{trust.ProtoJoin}, Certificates: certs})
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return conn
}

// say sends bytes on a connection and returns the reply.
func say(t *testing.T, conn net.Conn, said []byte) reply {
	t.Helper()
	if _, err := conn.Write(said); err != nil {
		t.Fatal(err)
	}
	var answer reply
	if err := readFrame(conn, &answer, maxReply); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(conn); len(rest) > 0 || err != nil {
		t.Errorf("after the reply came %q and %v", rest, err)
	}
	return answer
}

// frame returns the bytes of a frame.
func frame(t *testing.T, v any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := writeFrame(&b, v, maxReply); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// asks returns the request of an applicant with a token, as Join makes it.
func asks(t *testing.T, a Applicant, token trust.Token) request {
	t.Helper()
	r := must(a.request(mesh))(t)
	r.Token, r.Secret = token.ID.String(), token.Secret.Reveal()
	return r
}
