package trust

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hansa-mcs/hansa/federation"
)

// badCertificates are certificates that no member may show, and why. Fault 43.
var badCertificates = map[string]struct {
	change func(*leaf)
	why    string
}{
	"expired":            {func(c *leaf) { c.NotAfter = time.Now().Add(-time.Minute) }, "expired"},
	"not yet valid":      {func(c *leaf) { c.NotBefore = time.Now().Add(time.Minute) }, "not yet valid"},
	"no name":            {func(c *leaf) { c.URIs, c.Subject.CommonName = nil, "a" }, "carries 0 subject alternative names"},
	"two URIs":           {uris("spiffe://mesh.example/cluster/a", "spiffe://mesh.example/cluster/b"), "carries 2"},
	"a URI and a DNS":    {func(c *leaf) { c.DNSNames = []string{"a.example"} }, "carries 2"},
	"a URI and an IP":    {func(c *leaf) { c.IPAddresses = []net.IP{{127, 0, 0, 1}} }, "carries 2"},
	"only a DNS name":    {func(c *leaf) { c.URIs, c.DNSNames = nil, []string{"a.example"} }, "want exactly one, the URI"},
	"a wildcard":         {uris("spiffe://mesh.example/cluster/*"), "RFC 1123"},
	"no ID":              {uris("spiffe://mesh.example/cluster/"), "RFC 1123"},
	"more path":          {uris("spiffe://mesh.example/cluster/a/b"), "RFC 1123"},
	"upper case":         {uris("spiffe://mesh.example/cluster/A"), "RFC 1123"},
	"an escape":          {uris("spiffe://mesh.example/cluster/%61"), "RFC 1123"},
	"a query":            {uris("spiffe://mesh.example/cluster/a?x=y"), "RFC 1123"},
	"an empty query":     {uris("spiffe://mesh.example/cluster/a?"), "RFC 1123"},
	"a fragment":         {uris("spiffe://mesh.example/cluster/a#b"), "RFC 1123"},
	"another clusterset": {uris("spiffe://other.example/cluster/a"), "want spiffe://mesh.example/cluster/"},
	"a port":             {uris("spiffe://mesh.example:1/cluster/a"), "want spiffe://mesh.example/cluster/"},
	"a user":             {uris("spiffe://x@mesh.example/cluster/a"), "want spiffe://mesh.example/cluster/"},
	"another scheme":     {uris("https://mesh.example/cluster/a"), "want spiffe://mesh.example/cluster/"},
	"another path":       {uris("spiffe://mesh.example/ns/x/sa/a"), "want spiffe://mesh.example/cluster/"},
	"an empty fragment":  {rawURI("spiffe://mesh.example/cluster/a#"), "RFC 1123"},
	"an empty port":      {rawURI("spiffe://mesh.example:/cluster/a"), "want spiffe://mesh.example/cluster/"},
	"a CA's":             {func(c *leaf) { c.IsCA, c.BasicConstraintsValid = true, true }, "CA"},
	"no use for TLS":     {func(c *leaf) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, "usage"},
}

// rawURI puts a URI into the certificate as it is, since a parsed one loses empty parts.
func rawURI(s string) func(*leaf) {
	return func(c *leaf) {
		value, err := asn1.Marshal([]asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: uriTag, Bytes: []byte(s)}})
		if err != nil {
			panic(err)
		}
		c.URIs, c.ExtraExtensions = nil, []pkix.Extension{{Id: oidSubjectAltName, Value: value}}
	}
}

// shake runs a handshake between two configurations and returns each side's error.
func shake(t *testing.T, server, client *tls.Config) (serverErr, clientErr error) {
	t.Helper()
	l := must(net.Listen("tcp", "localhost:0"))(t)
	defer l.Close()
	b := must(net.Dial("tcp", l.Addr().String()))(t)
	defer b.Close()
	a := must(l.Accept())(t)
	done := make(chan error, 1)
	go func() {
		defer a.Close()
		a.SetDeadline(time.Now().Add(10 * time.Second))
		done <- tls.Server(a, server).Handshake()
	}()
	b.SetDeadline(time.Now().Add(10 * time.Second))
	clientErr = tls.Client(b, client).Handshake()
	return <-done, clientErr
}

func refused(t *testing.T, who string, err error, why string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("%s: %v, want %q", who, err, why)
	}
}

func TestBadCertificatesAreRefusedByServerAndClient(t *testing.T) {
	ca := newAuthority(t, mesh)
	good := newIdentity(t, ca, "b")
	for name, tt := range badCertificates {
		t.Run(name, func(t *testing.T) {
			cert := forge(t, ca, tt.change)
			serverErr, _ := shake(t, good.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}, Certificates: []tls.Certificate{cert}})
			refused(t, "as a client", serverErr, tt.why)
			_, clientErr := shake(t, &tls.Config{NextProtos: []string{"x"}, Certificates: []tls.Certificate{cert}}, good.ClientTLS("", "x"))
			refused(t, "as a server", clientErr, tt.why)
		})
	}
}

func TestEachSideNeedsItsOwnUse(t *testing.T) {
	ca := newAuthority(t, mesh)
	good := newIdentity(t, ca, "b")
	only := func(u x509.ExtKeyUsage) tls.Certificate {
		return forge(t, ca, func(c *leaf) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} })
	}
	serverErr, _ := shake(t, good.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}, Certificates: []tls.Certificate{only(x509.ExtKeyUsageServerAuth)}})
	refused(t, "a server's certificate as a client", serverErr, "usage")
	_, clientErr := shake(t, &tls.Config{NextProtos: []string{"x"}, Certificates: []tls.Certificate{only(x509.ExtKeyUsageClientAuth)}}, good.ClientTLS("", "x"))
	refused(t, "a client's certificate as a server", clientErr, "usage")
}

func TestMembersOfOneClustersetMeet(t *testing.T) {
	ca, other := newAuthority(t, mesh), newAuthority(t, mesh)
	a, b, stranger := newIdentity(t, ca, "a"), newIdentity(t, ca, "b"), newIdentity(t, other, "a")
	for name, tt := range map[string]struct {
		server, client *tls.Config
		serverWhy      string
		clientWhy      string
	}{
		"any member":      {a.ServerTLS("x"), b.ClientTLS("", "x"), "", ""},
		"the wanted":      {a.ServerTLS("x"), b.ClientTLS("a", "x"), "", ""},
		"ourselves":       {a.ServerTLS("x"), a.ClientTLS("a", "x"), "", ""},
		"another":         {a.ServerTLS("x"), b.ClientTLS("c", "x"), "remote error", `the peer is cluster "a", want "c"`},
		"another CA":      {a.ServerTLS("x"), stranger.ClientTLS("", "x"), "", "unknown authority"},
		"another CA's":    {stranger.ServerTLS("x"), a.ClientTLS("", "x"), "", "unknown authority"},
		"no certificate":  {a.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"x"}}, "didn't provide a certificate", ""},
		"TLS 1.2":         {a.ServerTLS("x"), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}, "versions", "version"},
		"an old server":   {&tls.Config{Certificates: []tls.Certificate{a.material.Load().cert}, MaxVersion: tls.VersionTLS12}, b.ClientTLS("", "x"), "versions", "version"},
		"other protocols": {a.ServerTLS("x"), b.ClientTLS("", "y"), "protocols", "protocol"},
	} {
		t.Run(name, func(t *testing.T) {
			serverErr, clientErr := shake(t, tt.server, tt.client)
			if tt.serverWhy == "" && tt.clientWhy == "" && (serverErr != nil || clientErr != nil) {
				t.Errorf("server %v, client %v", serverErr, clientErr)
			}
			if tt.serverWhy != "" {
				refused(t, "the server", serverErr, tt.serverWhy)
			}
			if tt.clientWhy != "" {
				refused(t, "the client", clientErr, tt.clientWhy)
			}
		})
	}
}

func TestAnIntermediateThatTheCADidNotAllowIsRefused(t *testing.T) {
	ca := newAuthority(t, mesh)
	member := forge(t, ca, func(*leaf) {})
	fake := &Authority{clusterset: mesh, key: member.PrivateKey.(crypto.Signer), cert: member.Leaf}
	cert := forge(t, fake, uris("spiffe://mesh.example/cluster/victim"))
	cert.Certificate = append(cert.Certificate, member.Certificate...)
	good := newIdentity(t, ca, "b")
	_, err := shake(t, &tls.Config{NextProtos: []string{"x"}, Certificates: []tls.Certificate{cert}}, good.ClientTLS("", "x"))
	refused(t, "a member that plays CA", err, "authority")
}

func TestSessionsAreNotResumed(t *testing.T) {
	id := newIdentity(t, newAuthority(t, mesh), "a")
	if !id.ServerTLS("x").SessionTicketsDisabled {
		t.Error("a revoked member could resume")
	}
}

func TestPeerWithoutACertificate(t *testing.T) {
	if got, err := Peer(tls.ConnectionState{}, mesh); err == nil || got != federation.ClusterID("") {
		t.Errorf("got %q", got)
	}
}

func FuzzAltNames(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x86, 0x01, 'a'})
	f.Add([]byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, value []byte) {
		cert := &x509.Certificate{Extensions: []pkix.Extension{{Id: oidSubjectAltName, Value: value}}}
		if cluster, err := clusterOf(cert, mesh); err == nil {
			if _, err := federation.ParseClusterID(string(cluster)); err != nil {
				t.Error(err)
			}
		}
	})
}
