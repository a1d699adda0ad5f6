package link

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/federation/trust/enroll"
	"github.com/hansa-mcs/hansa/integration/lab"
	"github.com/hansa-mcs/hansa/integration/lab/labtest"
)

// scene is three clusters, of which east is a member, holds the CA of clusterset acme and has an agent.
type scene struct {
	lab     *lab.Lab
	east    *Target
	ca      *trust.Authority
	address string // of east's agent
}

func newScene(t *testing.T) *scene {
	t.Helper()
	l := labtest.Start(t, lab.Config{Clusters: []string{"east", "west", "north"}})
	s := &scene{lab: l}
	s.east = s.target(t, "east", agent.Defaults().Namespace)
	m, err := s.east.Init(t.Context(), "acme", "east", time.Now(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	if s.ca, err = s.east.secrets.CA(t.Context(), "acme"); err != nil {
		t.Fatal(err)
	}
	s.startAgent(t, m.Credentials)
	return s
}

// startAgent runs east's agent until the test ends, and returns once it has announced what east exports.
func (s *scene) startAgent(t *testing.T, c trust.Credentials) {
	t.Helper()
	ctrl.SetLogger(logr.Discard())
	dir := t.TempDir()
	o := agent.Defaults()
	o.Cluster, o.Clusterset = "east", "acme"
	o.Kubeconfig, o.Context = s.lab.Kubeconfig(), "east"
	o.InstallCRDs, o.HTTPAddress = true, "127.0.0.1:0"
	o.CertFile, o.KeyFile, o.CAFile = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key"), filepath.Join(dir, "ca.crt")
	if err := (trust.Files{Cert: o.CertFile, Key: o.KeyFile, CA: o.CAFile}).Write(c); err != nil {
		t.Fatal(err)
	}
	s.address = nobody(t)
	o.Listen = s.address
	log := &agentLog{announced: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, o, slog.New(slog.NewTextHandler(log, nil))) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("the agent of east says\n%s", log.text.String())
		}
	})
	select {
	case <-log.announced:
	case <-t.Context().Done():
	case err := <-ended:
		ended <- nil
		t.Fatalf("the agent of east ended: %v", err)
	}
}

// agentLog is what an agent says. It closes announced once others may hear from it.
type agentLog struct {
	announced chan struct{}

	mu   sync.Mutex
	text bytes.Buffer
	once sync.Once
}

func (l *agentLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bytes.Contains(line, []byte("msg=announced")) {
		l.once.Do(func() { close(l.announced) })
	}
	return l.text.Write(line)
}

// nobody returns an address on which nobody listens now.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// target returns a cluster with a namespace for agents, in which nothing was done yet.
func (s *scene) target(t *testing.T, cluster, namespace string) *Target {
	t.Helper()
	target, err := Connect(s.lab.Kubeconfig(), cluster, namespace)
	if err != nil {
		t.Fatal(err)
	}
	config := s.lab.Cluster(cluster).RESTConfig()
	config.QPS = -1 // a person asks for less
	if target.core, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	target.secrets = secrets.New(target.core.CoreV1().Secrets(namespace))
	return target
}

// token makes a token of east that is kept, after a change to its record.
func (s *scene) token(t *testing.T, bound federation.ClusterID, uses int, change func(*enroll.Record)) trust.Token {
	t.Helper()
	token, err := s.ca.NewToken(bound)
	if err != nil {
		t.Fatal(err)
	}
	record, err := enroll.NewRecord(token, time.Now(), 15*time.Minute, uses)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&record)
	}
	if err := s.east.secrets.AddToken(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	return token
}

// records are of all tokens of east.
func (s *scene) records(t *testing.T) []enroll.Record {
	t.Helper()
	list, err := s.east.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// used returns the uses of a token.
func (s *scene) used(t *testing.T, token trust.Token) []enroll.Use {
	t.Helper()
	for _, r := range s.records(t) {
		if r.ID == token.ID {
			return r.Used
		}
	}
	t.Fatalf("token %s has no record", token.ID)
	return nil
}

// key returns the key that a cluster has kept, which has no certificate yet.
func key(t *testing.T, target *Target) []byte {
	t.Helper()
	c, err := target.secrets.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Cert) > 0 || len(c.CA) > 0 {
		t.Fatalf("in namespace %s there is a certificate:\n%s%s", target.Namespace, c.Cert, c.CA)
	}
	return c.Key
}

// joins lets a cluster join, and checks that it is a member then, with the key that it had if it had one.
func (s *scene) joins(t *testing.T, target *Target, peer string, token trust.Token, as federation.ClusterID, had []byte) Member {
	t.Helper()
	m, err := target.Join(t.Context(), peer, token, as, time.Now(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := target.secrets.Identity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.Check("acme", as, time.Now()); err != nil || !reflect.DeepEqual(kept, m.Credentials) {
		t.Errorf("what is kept is not the membership that was returned: %v", err)
	}
	if len(had) > 0 && !bytes.Equal(kept.Key, had) {
		t.Error("it did not go on with the key that it began with")
	}
	id, err := trust.New("acme", as, kept)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := id.Dial(t.Context(), s.address, "east", trust.ProtoGRPC)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	return m
}
