package agent_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	mcsv1beta1 "sigs.k8s.io/mcs-api/pkg/apis/v1beta1"

	"github.com/hansa-mcs/hansa/cmd/hansa-agent/agent"
	"github.com/hansa-mcs/hansa/cmd/hansa-agent/secrets"
	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
	"github.com/hansa-mcs/hansa/integration/clusterset"
	"github.com/hansa-mcs/hansa/integration/lab"
)

// TestRenewalOnAPIServers has two agents, of which east's holds the CA and begins with a certificate that is due.
func TestRenewalOnAPIServers(t *testing.T) {
	if _, err := lab.Build(t.Context(), t.Output(), false); err != nil {
		t.Fatal(err)
	}
	s := newRenewals(t)
	var err error
	s.set, err = clusterset.Start(t.Context(), clusterset.Config{
		Clusters: []string{"east", "west"}, InProcess: true, Output: t.Output(),
		Options: func(cluster string, o *agent.Options) {
			if err := s.members[cluster].prepare(o); err != nil {
				t.Error(err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.set.Stop(); err != nil {
			t.Error(err)
		}
	})
	for name, m := range s.members {
		m.Member = s.set.Member(name)
	}
	t.Run("who holds the CA renews at the start", s.atTheStart)
	t.Run("streams go on", s.streamsGoOn)
	t.Run("who does not hold the CA asks another", s.atAnother)
	t.Run("while nobody can it is said and tried again", s.whileNobodyCan)
	t.Run("certificates of others are followed and not renewed", s.ofOthers)
}

const (
	saidRenewal = "this cluster's certificate"         // in what is said of each try
	saidRenewed = "renewed this cluster's certificate" // of those that succeed
	saidInUse   = "the certificate files have changed and are in use"
	saidUnused  = "the certificate files have changed and are not used"
)

type renewals struct {
	set     *clusterset.Clusterset
	ca      *trust.Authority // the clusterset's, which hansa renews with
	second  *trust.Authority // that follows it
	members map[string]*renewing
	other   *trust.Identity // a member that trusts both
}

// renewing is a member, and what its agent has at the start.
type renewing struct {
	*clusterset.Member
	ca     *trust.Authority // nil if it does not hold it
	first  trust.Credentials
	volume volume
	kept   *secrets.Secrets
}

func newRenewals(t *testing.T) *renewals {
	t.Helper()
	ago := time.Now().Add(-due - 10*day)
	s := &renewals{ca: must(trust.NewAuthority(clusterset.Name, ago))(t), second: must(trust.NewAuthority(clusterset.Name, ago))(t)}
	s.members = map[string]*renewing{
		"east": {ca: s.ca, first: issued(t, s.ca, "east", must(trust.NewKey())(t), due), volume: volume{dir: t.TempDir()}},
		"west": {first: issued(t, s.ca, "west", must(trust.NewKey())(t), 0), volume: volume{dir: t.TempDir()}},
	}
	c := issued(t, s.ca, "other", must(trust.NewKey())(t), 0)
	c.CA = s.both()
	s.other = must(trust.New(clusterset.Name, "other", c))(t)
	return s
}

// both is the bundle of CAs in a rotation.
func (s *renewals) both() []byte { return append(s.ca.CAPEM(), s.second.CAPEM()...) }

// prepare brings the Secrets and the files into being when the agent starts for the first time.
func (m *renewing) prepare(o *agent.Options) error {
	f := m.volume.files()
	o.CertFile, o.KeyFile, o.CAFile = f.Cert, f.Key, f.CA
	if m.kept != nil {
		return nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return err
	}
	core, err := corev1client.NewForConfig(config)
	if err != nil {
		return err
	}
	m.kept = secrets.New(core.Secrets(o.Namespace))
	if m.ca != nil {
		if err := m.kept.PutCA(context.Background(), o.Clusterset, m.ca); err != nil {
			return err
		}
	}
	if err := m.kept.PutIdentity(context.Background(), m.first); err != nil {
		return err
	}
	return m.volume.put(m.first)
}

// said returns how often the agent logged a text.
func (m *renewing) said(t *testing.T, text string) int {
	t.Helper()
	return strings.Count(string(must(os.ReadFile(m.LogFile()))(t)), text)
}

// hears waits until the agent has logged a text so often.
func (m *renewing) hears(ctx context.Context, t *testing.T, text string, times int) {
	t.Helper()
	if err := m.AwaitLog(ctx, text, times); err != nil {
		t.Fatal(err)
	}
}

// changes replaces the files, and waits until they are in use.
func (m *renewing) changes(ctx context.Context, t *testing.T, c trust.Credentials) {
	t.Helper()
	before := m.said(t, saidInUse)
	if err := m.volume.put(c); err != nil {
		t.Fatal(err)
	}
	m.hears(ctx, t, saidInUse, before+1)
}

// tries gives the agent a certificate of hansa's that is due, and waits until it has tried to renew it. It returns whether it
// did.
func (m *renewing) tries(ctx context.Context, t *testing.T, ca *trust.Authority) bool {
	t.Helper()
	tried, renewed := m.said(t, saidRenewal), m.said(t, saidRenewed)
	m.changes(ctx, t, issued(t, ca, m.Name, m.first.Key, due))
	m.hears(ctx, t, saidRenewal, tried+1)
	return m.said(t, saidRenewed) > renewed
}

// shows returns the certificate that another member sees on a new connection.
func (s *renewals) shows(ctx context.Context, t *testing.T, m *renewing) *x509.Certificate {
	t.Helper()
	conn := must(s.other.Dial(ctx, m.Federation, federation.ClusterID(m.Name), trust.ProtoGRPC))(t)
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0]
}

// uses checks that the agent shows the certificate of a text.
func (s *renewals) uses(ctx context.Context, t *testing.T, m *renewing, text []byte) {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("no certificate: %s", text)
	}
	if shown := s.shows(ctx, t, m); !bytes.Equal(shown.Raw, block.Bytes) {
		t.Errorf("%s shows a certificate of serial number %v and from %v, want another", m.Name, shown.SerialNumber, shown.NotBefore)
	}
}

// renewed checks that what is kept is a new certificate, of the old key, and that it is shown.
func (s *renewals) renewed(ctx context.Context, t *testing.T, m *renewing) {
	t.Helper()
	kept := must(m.kept.Identity(ctx))(t)
	if err := kept.Check(clusterset.Name, federation.ClusterID(m.Name), time.Now()); err != nil {
		t.Errorf("what %s keeps: %v", m.Name, err)
	}
	if !bytes.Equal(kept.Key, m.first.Key) {
		t.Errorf("%s has another key", m.Name)
	}
	s.uses(ctx, t, m, kept.Cert)
	if shown := s.shows(ctx, t, m); time.Since(shown.NotBefore) > day {
		t.Errorf("%s shows a certificate from %v, want one of now", m.Name, shown.NotBefore)
	}
	if file := must(os.ReadFile(m.volume.files().Cert))(t); bytes.Equal(file, kept.Cert) {
		t.Error("the files have changed: it is not shown that it does without them")
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func (s *renewals) atTheStart(t *testing.T) {
	ctx, east, west := within(t), s.members["east"], s.members["west"]
	east.hears(ctx, t, saidRenewed, 1)
	s.renewed(ctx, t, east)
	if n := west.said(t, saidRenewal); n != 0 {
		t.Errorf("west, whose certificate is new, tried %d times to renew it", n)
	}
	s.uses(ctx, t, west, west.first.Cert)
}

// streamsGoOn renews while a stream is up, which goes on: neither side saw another.
func (s *renewals) streamsGoOn(t *testing.T) {
	ctx, east, west := within(t), s.members["east"], s.members["west"]
	awaitEvent(ctx, t, east.Member, "PeerJoined", "cluster west joined")
	awaitEvent(ctx, t, west.Member, "PeerJoined", "cluster east joined")
	s.exports(ctx, t, "before-renewal")
	before := s.settled(ctx, t)
	if !east.tries(ctx, t, s.ca) {
		t.Fatal("east did not renew")
	}
	s.renewed(ctx, t, east)
	s.exports(ctx, t, "after-renewal")
	if after, _ := s.streams(ctx, t); after != before {
		t.Errorf("the streams are %s, were %s", after, before)
	}
}

// settled waits until of two streams that crossed at the start one is left, on both sides, and tells of it as streams does.
func (s *renewals) settled(ctx context.Context, t *testing.T) string {
	t.Helper()
	for {
		text, stand := s.streams(ctx, t)
		if stand {
			return text
		}
		select {
		case <-ctx.Done():
			t.Fatalf("no stream stands on both sides: %s", text)
		case <-time.After(20 * time.Millisecond): // the metrics tell no event
		}
	}
}

// streams tells how many streams came up and went on both sides, and whether one stands on each.
func (s *renewals) streams(ctx context.Context, t *testing.T) (text string, stand bool) {
	t.Helper()
	stand = true
	for _, m := range []*renewing{s.members["east"], s.members["west"]} {
		stands := false
		for line := range strings.Lines(must(m.Get(ctx, "/metrics"))(t)) {
			if strings.HasPrefix(line, "hansa_cluster_streams_total{") {
				text += m.Name + ": " + line
			}
			stands = stands || strings.HasPrefix(line, "hansa_cluster_stream_up{") && strings.HasSuffix(line, " 1\n")
		}
		text += fmt.Sprintf("%s: %d down\n", m.Name, m.said(t, "stream down"))
		stand = stand && stands
	}
	return text, stand
}

// exports shows that what west says reaches east.
func (s *renewals) exports(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	for _, o := range exported(name) {
		if err := s.members["west"].Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	_, err := clusterset.Await(ctx, s.members["east"].Client, &mcsv1beta1.ServiceImportList{}, func(o *mcsv1beta1.ServiceImport) bool { return o.Name == name })
	if err != nil {
		t.Fatalf("what west exports does not reach east: %v", err)
	}
}

func (s *renewals) atAnother(t *testing.T) {
	ctx, east, west := within(t), s.members["east"], s.members["west"]
	given := east.said(t, `msg="gave a member a new certificate"`)
	for !west.tries(ctx, t, s.ca) { // gossip may not have told it yet where east is
	}
	s.renewed(ctx, t, west)
	if n := east.said(t, `msg="gave a member a new certificate"`); n != given+1 {
		t.Errorf("east gave %d certificates, want one", n-given)
	}
}

func (s *renewals) whileNobodyCan(t *testing.T) {
	ctx, east, west := within(t), s.members["east"], s.members["west"]
	if err := east.StopAgent(); err != nil {
		t.Fatal(err)
	}
	before := must(west.kept.Identity(ctx))(t)
	if west.tries(ctx, t, s.ca) {
		t.Fatal("west renewed at nobody")
	}
	west.hears(ctx, t, `msg="this cluster's certificate could not be renewed yet"`, 1)
	west.hears(ctx, t, "again_in=1m0s", 1)
	if kept := must(west.kept.Identity(ctx))(t); !bytes.Equal(kept.Cert, before.Cert) {
		t.Error("another certificate is kept")
	}
	s.uses(ctx, t, west, must(os.ReadFile(west.volume.files().Cert))(t))
	if err := east.StartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	for !west.tries(ctx, t, s.ca) {
	}
	s.renewed(ctx, t, west)
	s.exports(ctx, t, "after-return")
}

// ofOthers is a rotation to a second CA by whoever makes the files, as cert-manager, while hansa's own identity is kept still.
func (s *renewals) ofOthers(t *testing.T) {
	ctx, east, west := within(t), s.members["east"], s.members["west"]
	var before corev1.Secret
	key := client.ObjectKey{Namespace: agent.Defaults().Namespace, Name: secrets.IdentityName}
	if err := west.Client.Get(ctx, key, &before); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*renewing{east, west} { // first all trust both
		c := issued(t, s.ca, m.Name, m.first.Key, 0)
		c.CA = s.both()
		m.changes(ctx, t, c)
	}
	tried, streams := west.said(t, saidRenewal), s.settled(ctx, t)
	theirs := issued(t, s.second, "west", must(trust.NewKey())(t), due)
	theirs.CA = s.both()
	west.changes(ctx, t, theirs)
	s.uses(ctx, t, west, theirs.Cert)
	s.exports(ctx, t, "in-rotation")
	if after, _ := s.streams(ctx, t); after != streams {
		t.Errorf("the streams are %s, were %s", after, streams)
	}

	// A bad file is told of once, and nothing changes until it is good again.
	bad := theirs
	bad.Cert = []byte("-----BEGIN CERTIFICATE-----\nbroken\n")
	unused := west.said(t, saidUnused)
	for range 2 {
		if err := west.volume.put(bad); err != nil {
			t.Fatal(err)
		}
		west.hears(ctx, t, saidUnused, unused+1)
		s.uses(ctx, t, west, theirs.Cert)
	}
	next := issued(t, s.second, "west", theirs.Key, due)
	next.CA = s.both()
	west.changes(ctx, t, next)
	s.uses(ctx, t, west, next.Cert)
	if n := west.said(t, saidUnused); n != unused+1 {
		t.Errorf("the bad file was told of %d times, want once", n-unused)
	}

	// East takes the second CA's certificate on a new connection, too.
	up := west.said(t, `msg="stream up"`)
	if err := west.RestartAgent(ctx); err != nil {
		t.Fatal(err)
	}
	west.hears(ctx, t, `msg="stream up"`, up+1)
	s.uses(ctx, t, west, next.Cert)
	s.exports(ctx, t, "after-restart")
	var after corev1.Secret
	if err := west.Client.Get(ctx, key, &after); err != nil {
		t.Fatal(err)
	}
	if after.ResourceVersion != before.ResourceVersion || west.said(t, saidRenewal) != tried {
		t.Errorf("hansa renewed what is not its own: the Secret has version %s, had %s", after.ResourceVersion, before.ResourceVersion)
	}
}
