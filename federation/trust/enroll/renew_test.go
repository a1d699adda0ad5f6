package enroll

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
	"github.com/hansa-mcs/hansa/federation/trust"
)

// certificate returns one of a cluster that is valid from then until.
func certificate(t *testing.T, ca *trust.Authority, cluster federation.ClusterID, from, until time.Duration) tls.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	now := time.Now()
	text := must(ca.Issue(cluster, key.Public(), now.Add(from), now.Add(until)))(t)
	return tls.Certificate{Certificate: [][]byte{derOf(t, text)}, PrivateKey: key}
}

func TestAMemberRenewsItsCertificate(t *testing.T) {
	s := start(t, nil)
	s.clusters.uids["west"] = "uid-west"
	west := newIdentity(t, s.ca, mesh, "west")
	a := applicant(t, "west")
	m, err := Renew(t.Context(), s.address, "east", west, a)
	if err != nil {
		t.Fatal(err)
	}
	s.has(m, "west")
	before := west.Certificate()
	if err := west.Use(m.Credentials); err != nil {
		t.Fatal(err)
	}
	if west.Certificate().SerialNumber.Cmp(before.SerialNumber) == 0 {
		t.Error("it is the same certificate")
	}
	if _, err := Renew(t.Context(), s.address, "", west, a); err != nil {
		t.Errorf("with the renewed certificate: %v", err)
	}
	s.stop()
	if got := s.server.Stats(); got.Renewed != 2 || got.Joined != 0 {
		t.Errorf("stats %+v", got)
	}
}

// Of a member of which no UID is known its certificate is proof enough.
func TestAMemberThatWasNotMetYetRenews(t *testing.T) {
	s := start(t, nil)
	s.clusters.uids["west"] = ""
	if _, err := Renew(t.Context(), s.address, "east", newIdentity(t, s.ca, mesh, "west"), applicant(t, "west")); err != nil {
		t.Error(err)
	}
}

func TestOnlyAMembersOwnCertificateIsRenewed(t *testing.T) {
	s := start(t, nil)
	stranger := must(trust.NewAuthority(mesh, time.Now()))(t)
	for name, tt := range map[string]struct {
		certs []tls.Certificate
		says  string
	}{
		"none":              {nil, "it showed no certificate"},
		"an expired one":    {[]tls.Certificate{certificate(t, s.ca, "west", -2*time.Hour, -time.Hour)}, "has expired"},
		"another cluster's": {[]tls.Certificate{certificate(t, s.ca, "north", -time.Hour, time.Hour)}, "cluster north asks for a certificate of cluster west"},
		"another CA's":      {[]tls.Certificate{certificate(t, stranger, "west", -time.Hour, time.Hour)}, "unknown authority"},
	} {
		r := must(applicant(t, "west").request(mesh))(t)
		answer := say(t, dial(t, s.address, tt.certs...), frame(t, r))
		if answer.Code != Certificate || !strings.Contains(answer.Message, tt.says) || answer.Certificate != "" {
			t.Errorf("%s: %+v, want %s that says %q", name, answer, Certificate, tt.says)
		}
	}
	if _, claimed := s.clusters.uids["west"]; claimed {
		t.Error("who was refused has the ID")
	}
}

func TestAMemberWhoseIDIsAnothersDoesNotRenew(t *testing.T) {
	s := start(t, nil)
	s.clusters.uids["west"] = "uid-another"
	_, err := Renew(t.Context(), s.address, "east", newIdentity(t, s.ca, mesh, "west"), applicant(t, "west"))
	refuses(t, "another's ID", err, Taken)
}

func TestAMemberThatIsNotTheWantedOneRenewsNothing(t *testing.T) {
	s := start(t, nil)
	_, err := Renew(t.Context(), s.address, "south", newIdentity(t, s.ca, mesh, "west"), applicant(t, "west"))
	if err == nil || !strings.Contains(err.Error(), `the peer is cluster "east", want "south"`) {
		t.Errorf("got %v", err)
	}
}

// While strangers are kept waiting, members are not.
func TestStrangersDoNotKeepAMemberFromRenewing(t *testing.T) {
	s := start(t, nil)
	for range 100 {
		s.server.limits.guessed("from nowhere", false, time.Now())
	}
	_, err := Join(t.Context(), s.address, s.token("", nil), applicant(t, "north"))
	refuses(t, "a stranger", err, Busy)
	if _, err := Renew(t.Context(), s.address, "east", newIdentity(t, s.ca, mesh, "west"), applicant(t, "west")); err != nil {
		t.Errorf("a member: %v", err)
	}
}

func TestACertificateIsRenewedByTheFirstThatCan(t *testing.T) {
	s := start(t, nil)
	lacks := func(c *Config) { c.Authority = func(context.Context) (*trust.Authority, error) { return nil, nil } }
	without := s.another("north", lacks)
	nobody := must(net.Listen("tcp", "localhost:0"))(t)
	nobody.Close()
	west := newIdentity(t, s.ca, mesh, "west")
	a := applicant(t, "west")
	list := []Member{{"south", nobody.Addr().String()}, {"north", without}, {"east", s.address}}
	m, err := RenewAnywhere(t.Context(), nil, list, west, a)
	if err != nil {
		t.Fatal(err)
	}
	s.has(m, "west")
	_, err = RenewAnywhere(t.Context(), nil, list[:2], west, a)
	for _, part := range []string{"cluster south", "refused", "cluster north", "does not hold"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not say %q", err, part)
		}
	}
	if _, err := RenewAnywhere(t.Context(), nil, nil, west, a); err == nil {
		t.Error("renewed by nobody")
	}
	s.clusters.uids["west"] = "uid-another"
	_, err = RenewAnywhere(t.Context(), nil, []Member{{"east", s.address}, {"north", without}}, west, a)
	refuses(t, "a refusal that is the same elsewhere", err, Taken)
	if strings.Contains(err.Error(), "north") {
		t.Errorf("another was asked after that: %v", err)
	}
}

func TestWhoHoldsTheCAAsksNobody(t *testing.T) {
	ca, next := must(trust.NewAuthority(mesh, time.Now()))(t), must(trust.NewAuthority(mesh, time.Now()))(t)
	west := newIdentity(t, ca, mesh, "west")
	m, err := RenewAnywhere(t.Context(), ca, nil, west, applicant(t, "west"))
	if err != nil {
		t.Fatal(err)
	}
	if string(m.CA) != string(ca.CAPEM()) {
		t.Errorf("it trusts %s", m.CA)
	}
	if m, err = RenewAnywhere(t.Context(), next, nil, west, applicant(t, "west")); err == nil {
		t.Errorf("it took the certificate of a CA that it does not trust: %s", m.CA)
	}
	both := west.Credentials()
	both.CA = append(both.CA, next.CAPEM()...)
	if err := west.Use(both); err != nil {
		t.Fatal(err)
	}
	if m, err = RenewAnywhere(t.Context(), next, nil, west, applicant(t, "west")); err != nil || string(m.CA) != string(both.CA) {
		t.Errorf("in a rotation: %v, and it trusts %s, want both CAs", err, m.CA)
	}
}

// A member that holds no CA, or makes one of its own, makes nobody trust it.
func TestARenewalBringsNoOtherCA(t *testing.T) {
	ca, evil := must(trust.NewAuthority(mesh, time.Now()))(t), must(trust.NewAuthority(mesh, time.Now()))(t)
	a := applicant(t, "west")
	west := newIdentity(t, ca, mesh, "west")
	csr := must(trust.ParseRequest(mesh, must(trust.NewRequest(mesh, "west", a.Key))(t)))(t)
	said := frame(t, reply{Certificate: string(must(evil.Sign(csr, time.Now()))(t)), CA: string(ca.CAPEM()) + string(evil.CAPEM())})
	m, err := Renew(t.Context(), bad(t, ca, said), "", west, a)
	refuses(t, "a certificate of another CA", err, Answer)
	if len(m.CA) > 0 {
		t.Errorf("it trusts %s", m.CA)
	}
}
